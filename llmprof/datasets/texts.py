"""Texts that exist already, to be scored: a file of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from llmprof.datasets.files import SourceFile, read_file
from llmprof.datasets.items import Dataset, Prompt
from llmprof.datasets.parsing import read_rows
from llmprof.errors import DataError

TEXT_FIELDS = ("text", "completion", "response")
_TABLE_SUFFIXES = (".jsonl", ".ndjson", ".csv", ".parquet")


def load_texts(path: Path, limit: int | None = None) -> Dataset[Prompt]:
    """Read JSONL, CSV or Parquet with one of `TEXT_FIELDS`, or one text a line; an id is a line.

    A text may be empty, but not missing; empty lines of a plain file are passed over.

    Raises:
        DataNotFoundError: the file cannot be read.
        DataError: a line is broken, with file and line, or there is none.
    """
    file = read_file(path, f"file:{path.resolve()}")
    read = _rows if file.suffix in _TABLE_SUFFIXES else _lines
    texts = tuple(islice(read(file), limit))
    if not texts:
        raise DataError(f"{file.name} holds no texts; give at least one")
    return Dataset(path.stem, file.source, file.sha256, texts)


def _rows(file: SourceFile) -> Iterator[Prompt]:
    for row in read_rows(file):
        found = (row.values.get(field) for field in TEXT_FIELDS)
        text = next((each for each in found if isinstance(each, str)), None)
        if text is None:
            raise DataError(
                f"{row.file}, line {row.line}: no text in any of the fields "
                f"{', '.join(TEXT_FIELDS)}; add one of them"
            )
        yield Prompt(str(row.line), text)


def _lines(file: SourceFile) -> Iterator[Prompt]:
    for line, text in enumerate(file.text.splitlines(), 1):
        if text.strip():
            yield Prompt(str(line), text)
