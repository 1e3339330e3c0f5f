"""Norms: a file with the numbers of reference models, and comparisons of runs with them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmprof.errors import DataError, UsageError
from llmprof.outputs import write_output
from llmprof.report.contents import Report, ReportedRun, Row, Section, Value
from llmprof.report.labels import short_name
from llmprof.report.verdicts import BETTER, WORSE, are_apart, direction

# Fields that must agree for two numbers to be compared.
_WAY = ("profiler", "protocol_version", "dataset", "sha256", "scorer", "metric", "group")
_TEXTS = (*_WAY, "model", "label")
_NUMBERS = ("value", "ci_low", "ci_high")
_COUNTS = ("n", "parameters")
_FEWEST = 2
# Models are of a size when one has at most so many times the parameters of the other.
_OF_A_SIZE = 2.0
EXAMPLE = "example"
_EXAMPLE_FILE = "example_norms.parquet"


@dataclass(frozen=True, slots=True)
class Norms:
    """Reference numbers as records, and their SHA-256, which can be cited in a paper.

    `example` marks them as an example, not as real norms.
    """

    records: Sequence[Mapping[str, Any]]
    sha256: str
    example: bool

    @property
    def models(self) -> list[str]:
        """The reference models, with what tells several of one name apart."""
        named = {(str(record["model"]), str(record["label"])) for record in self.records}
        return sorted(
            label if short_name(model) in label else f"{model} {label}" for model, label in named
        )


def write_norms(report: Report, output: Path, db: Path, *, example: bool = False) -> Norms:
    """Write the summary metrics of a report's runs as norms, to a Parquet file.

    Raises:
        UsageError: there are fewer than two runs.
        OutputError: the file cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    if len(report.runs) < _FEWEST:
        raise UsageError("norms need several models; name two runs or more")
    records = list(_records(report))
    norms = Norms(records, _hash(records), example)
    schema = pyarrow.schema(
        [
            *((name, pyarrow.string()) for name in _TEXTS),
            *((name, pyarrow.float64()) for name in _NUMBERS),
            *((name, pyarrow.int64()) for name in _COUNTS),
        ],
        metadata={"llmprof_norms": norms.sha256, "example": str(example).lower()},
    )
    content = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(records, schema), content)
    write_output(output, content.getvalue(), inputs=[db])
    return norms


def read_norms(path: Path) -> Norms:
    """The norms in a file, whose content must be unchanged.

    `example` is the file of llmprof itself: SmolLM2-135M-Instruct in several number formats,
    on the demonstration data.

    Raises:
        DataError: it is missing, not such a file, or was changed.
    """
    import pyarrow
    from pyarrow import parquet

    if str(path) == EXAMPLE and not path.exists():
        path = Path(__file__).with_name(_EXAMPLE_FILE)
    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        first = str(error).splitlines()[0][:120] if path.exists() else "there is no such file"
        raise DataError(f"{path} cannot be read as norms: {first}") from error
    metadata = table.schema.metadata or {}
    stated = metadata.get(b"llmprof_norms", b"").decode(errors="replace")
    if not stated or not {*_TEXTS, *_NUMBERS, *_COUNTS} <= set(table.column_names):
        raise DataError(f"{path} contains no norms; make them with `llmprof export norms`")
    records = [
        {name: record[name] for name in (*_TEXTS, *_NUMBERS, *_COUNTS)}
        for record in table.to_pylist()
    ]
    if _hash(records) != stated:
        raise DataError(
            f"{path} was changed after it was written: its SHA-256 is not {stated[:12]}…"
        )
    return Norms(records, stated, metadata.get(b"example") == b"true")


def places_among(report: Report, norms: Norms) -> list[str]:
    """Compare each run with the reference models, one sentence per summary metric.

    Only comparable numbers are used: of models of its size (at most twice or half as many
    parameters) if there are any, else of all. A difference is clear if its interval, with the two
    as independent estimates, excludes zero.
    """
    kind = "example norms, no norm of anything: " if norms.example else "norms "
    said = [f"{kind}SHA-256 {norms.sha256[:12]}, of {', '.join(norms.models)}"]
    for section in report.sections:
        for row in section.rows:
            if row.scale is None or not section.is_summary(row):
                continue
            for run, value in zip(report.runs, row.values, strict=True):
                if value is not None and value.value is not None:
                    said += _sentence(section, row, run, value, norms)
    if len(said) == 1:
        said.append("none of these numbers is comparable with the norms")
    return said


def _sentence(
    section: Section, row: Row, run: ReportedRun, value: Value, norms: Norms
) -> Iterator[str]:
    way = _way(section, row)
    alike = [
        record
        for record in norms.records
        if record["value"] is not None and all(record[name] == way[name] for name in _WAY)
    ]
    if not alike:
        return
    of_its_size = [each for each in alike if _is_of_size(each["parameters"], run.parameters)]
    others = [
        Value(record["value"], record["ci_low"], record["ci_high"], record["n"], record["n"])
        for record in of_its_size or alike
    ]
    size = " of its size" if of_its_size else ""
    verdicts = [
        "" if value.value == other.value else direction(value, other, row.scale) for other in others
    ]
    clear = [are_apart(other, value) for other in others]
    parts = []
    for verdict in (BETTER, WORSE):
        count = verdicts.count(verdict)
        if count:
            sure = sum(each and one == verdict for each, one in zip(clear, verdicts, strict=True))
            parts.append(f"{verdict} than {count} of {len(others)}{size} (clearly: {sure})")
    if parts:
        yield f"{run.label}: {row.name} ({section.title}) is {', '.join(parts)}"


def _is_of_size(reference: int | None, parameters: int | None) -> bool:
    if not reference or not parameters:
        return False
    return max(reference, parameters) <= _OF_A_SIZE * min(reference, parameters)


def _records(report: Report) -> Iterator[dict[str, Any]]:
    for section in report.sections:
        for row in section.rows:
            if not section.is_summary(row):
                continue
            for run, value in zip(report.runs, row.values, strict=True):
                if value is not None:
                    yield {
                        **_way(section, row),
                        "model": run.model,
                        "label": run.label,
                        "value": value.value,
                        "ci_low": value.ci_low,
                        "ci_high": value.ci_high,
                        "n": value.n,
                        "parameters": run.parameters,
                    }


def _way(section: Section, row: Row) -> dict[str, Any]:
    return {
        "profiler": section.profiler,
        "protocol_version": section.protocol_version,
        "dataset": section.dataset,
        "sha256": section.sha256,
        "scorer": section.scorer,
        "metric": row.metric,
        "group": row.group,
    }


def _hash(records: Sequence[Mapping[str, Any]]) -> str:
    """The SHA-256 of the records as canonical JSON, independent of Parquet's encoding."""
    lines = sorted(json.dumps(dict(record), sort_keys=True) for record in records)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
