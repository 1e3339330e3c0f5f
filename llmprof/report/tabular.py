"""A report as JSON, CSV or Parquet, for programs."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from llmprof.report.contents import Report
from llmprof.report.records import COLUMNS, records_of


def to_json(report: Report) -> str:
    """The report as it is: an object with the fields of `llmprof.report.contents.Report`."""
    return json.dumps(asdict(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_csv(report: Report) -> str:
    """One line a metric, group and run; what is not defined is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records_of(report))
    return text.getvalue()


def to_parquet(report: Report) -> bytes:
    """One row a metric, group and run; the file's metadata holds what was left out, as JSON."""
    import pyarrow
    from pyarrow import parquet

    types = {
        str: pyarrow.string(),
        float: pyarrow.float64(),
        int: pyarrow.int64(),
        bool: pyarrow.bool_(),
    }
    omissions = json.dumps([asdict(omission) for omission in report.omissions])
    schema = pyarrow.schema(
        [(name, types[kind]) for name, kind in COLUMNS.items()], metadata={"omissions": omissions}
    )
    content = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(records_of(report)), schema), content)
    return content.getvalue()
