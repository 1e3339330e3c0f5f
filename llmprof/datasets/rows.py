"""Rows of a data file, each with its place, so that a fault is reported by file, line and field."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmprof.datasets.sources import SourceFile
from llmprof.errors import DataError


@dataclass(frozen=True, slots=True)
class Row:
    """One row: `line` counts from 1 (in a Parquet file, rows)."""

    file: str
    line: int
    values: Mapping[str, Any]

    def fault(self, field: str, problem: str) -> DataError:
        """The error to raise about one field of this row."""
        return DataError(f"{self.file}, line {self.line}: field {field!r} {problem}; mend the line")

    def text(self, field: str) -> str:
        """The field as text; numbers are written out.

        Raises:
            DataError: it is missing, empty or neither text nor a number.
        """
        value = self.values.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if value is None or not str(value).strip():
            raise self.fault(field, "is missing")
        if not isinstance(value, str):
            raise self.fault(field, f"is {type(value).__name__}, not text")
        return value

    def choice(self, field: str, choices: Sequence[str]) -> str:
        """The field as text, which must be one of `choices`.

        Raises:
            DataError: it is missing or another.
        """
        value = self.text(field)
        if value not in choices:
            raise self.fault(field, f"is {value!r}, not one of {', '.join(choices)}")
        return value


def read_rows(file: SourceFile) -> Iterator[Row]:
    """The rows of a `.csv` or `.parquet` file; any other is read as one JSON object a line.

    Raises:
        DataError: a line is broken, with file and line.
    """
    if file.suffix == ".csv":
        return _csv_rows(file)
    if file.suffix == ".parquet":
        return _parquet_rows(file)
    return _json_rows(file)


def _csv_rows(file: SourceFile) -> Iterator[Row]:
    reader = csv.DictReader(io.StringIO(file.text, newline=""))
    try:
        for values in reader:
            yield Row(file.name, reader.line_num, values)
    except csv.Error as error:
        raise DataError(
            f"{file.name}, line {reader.line_num}: not CSV ({error}); mend it"
        ) from error


def _json_rows(file: SourceFile) -> Iterator[Row]:
    # Not `splitlines`: JSON may hold U+2028 and its like inside a text.
    for line, text in enumerate(file.text.split("\n"), 1):
        if not text.strip():
            continue
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file.name}, line {line}: not JSON ({error}); mend it") from error
        if not isinstance(values, dict):
            raise DataError(f"{file.name}, line {line}: not a JSON object; mend it")
        yield Row(file.name, line, values)


def _parquet_rows(file: SourceFile) -> Iterator[Row]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # One thread: a pool that still starts threads when Python exits aborts the process.
        table = parquet.ParquetFile(pa.BufferReader(file.content)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{file.name}: not a Parquet file ({error}); fetch it again") from error
    for line, values in enumerate(table.to_pylist(), 1):
        yield Row(file.name, line, values)
