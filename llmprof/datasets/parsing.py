"""Records of a data file, with typed access to fields; errors name file, line and field."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmprof.datasets.files import SourceFile, parse_json
from llmprof.errors import DataError

# The `csv` module's default, 131,072 characters, is too small for some documents.
_LONGEST_FIELD = 2**31 - 1
RECORD_SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True, slots=True)
class Record:
    """One line, row or object of a data file.

    `line` counts from 1; `unit` is what error messages call it. `path` is the dotted path of an
    inner object.
    """

    file: str
    line: int
    values: Mapping[str, Any]
    path: str = ""
    unit: str = "line"

    def fault(self, field: str, problem: str) -> DataError:
        """The error to raise about one field of this record."""
        place = f"{self.file}, {self.unit} {self.line}"
        name = self.path + field
        return DataError(f"{place}: field {name!r} {problem}; fix the {self.unit}")

    @property
    def _missing(self) -> str:
        """The message about a missing field."""
        return f"is missing (the fields are: {', '.join(map(str, self.values)) or 'none'})"

    def part(self, field: str) -> Record:
        """The JSON object in the field, as a record.

        Raises:
            DataError: it is missing or not an object.
        """
        value = self.values.get(field)
        if not isinstance(value, Mapping):
            raise self.fault(field, self._missing if value is None else "is not an object")
        return Record(self.file, self.line, value, f"{self.path}{field}.", self.unit)

    def text(self, field: str) -> str:
        """The field as text; numbers are written out.

        Raises:
            DataError: it is missing, empty or neither text nor a number.
        """
        value = self.values.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if value is None or not str(value).strip():
            raise self.fault(field, "is missing" if field in self.values else self._missing)
        if not isinstance(value, str):
            raise self.fault(field, f"is {type(value).__name__}, not text")
        return value

    def texts(self, field: str) -> tuple[str, ...]:
        """The field as a list of texts, none of them empty.

        Raises:
            DataError: it is missing or not a list, or one of its entries is empty or not text.
        """
        values = self.values.get(field)
        if not isinstance(values, list | tuple):
            raise self.fault(field, self._missing if values is None else "is not a list of texts")
        for place, value in enumerate(values):
            if not isinstance(value, str) or not value.strip():
                raise self.fault(field, f"has an empty entry at position {place}")
        return tuple(values)

    def position(self, field: str, count: int) -> int:
        """The field as a position from 0 among `count` options; it may be written as text.

        Raises:
            DataError: it is missing or there is no such option.
        """
        value = self.text(field)
        if not value.isdecimal() or int(value) >= count:
            raise self.fault(field, f"is {value!r}, not a position from 0 to {count - 1}")
        return int(value)

    def choice(self, field: str, choices: Sequence[str]) -> str:
        """The field as text, which must be one of `choices`.

        Raises:
            DataError: it is missing or not among them.
        """
        value = self.text(field)
        if value not in choices:
            raise self.fault(field, f"is {value!r}, not one of {', '.join(choices)}")
        return value


def read_records(file: SourceFile) -> Iterator[Record]:
    """The records of a file, in the format that its ending names (see `RECORD_SUFFIXES`).

    `.json` is an array of objects, or one object per line as `.jsonl` and `.ndjson`.

    Raises:
        DataError: the ending is of no such format, or a line is broken, with file and line.
    """
    if file.suffix in (".csv", ".tsv"):
        return read_delimited(file, "\t" if file.suffix == ".tsv" else ",")
    if file.suffix == ".parquet":
        return _parquet_records(file)
    if file.suffix == ".json" and file.text.lstrip().startswith("["):
        return _array_records(file)
    if file.suffix in RECORD_SUFFIXES:
        return _json_records(file)
    raise DataError(
        f"{file.name}: cannot tell its format from its ending; use one of: "
        f"{', '.join(RECORD_SUFFIXES)}"
    )


def read_delimited(file: SourceFile, delimiter: str) -> Iterator[Record]:
    """The rows of a file with a header, whatever its name ends with.

    Raises:
        DataError: a row has more fields than the header, or is not CSV.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    reader = csv.DictReader(io.StringIO(file.text, newline=""), delimiter=delimiter)
    try:
        for values in reader:
            if None in values:
                raise DataError(
                    f"{file.name}, line {reader.line_num}: more fields than the first line has; "
                    "quote texts that hold the delimiter"
                )
            yield Record(file.name, reader.line_num, values)
    except csv.Error as error:
        raise DataError(
            f"{file.name}, line {reader.line_num}: not CSV ({error}); fix it"
        ) from error


def _array_records(file: SourceFile) -> Iterator[Record]:
    for number, values in enumerate(file.json, 1):
        if not isinstance(values, dict):
            raise DataError(f"{file.name}, item {number}: not a JSON object; fix it")
        yield Record(file.name, number, values, unit="item")


def _json_records(file: SourceFile) -> Iterator[Record]:
    # Not `splitlines`: JSON may hold U+2028 and its like inside a text.
    for line, text in enumerate(file.text.split("\n"), 1):
        if not text.strip():
            continue
        try:
            values = parse_json(text)
        except ValueError as error:
            raise DataError(f"{file.name}, line {line}: not JSON ({error}); fix it") from error
        if not isinstance(values, dict):
            raise DataError(f"{file.name}, line {line}: not a JSON object; fix it")
        yield Record(file.name, line, values)


def _parquet_records(file: SourceFile) -> Iterator[Record]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        # One thread: a thread pool that is still starting when Python exits aborts the process.
        table = parquet.ParquetFile(pa.BufferReader(file.content)).read(use_threads=False)
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise DataError(f"{file.name}: not a Parquet file ({error}); fetch it again") from error
    for line, values in enumerate(rows, 1):
        yield Record(file.name, line, values)
