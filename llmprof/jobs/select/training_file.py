"""Writes a training file: the whole of it, or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.errors import SelectionError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

Lines = Sequence[dict[str, Any]]


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before there is anything to write.

    Raises:
        UsageError: its ending is not known.
        SelectionError: its folder is missing or cannot be written to.
    """
    if path.suffix.lower() not in _WRITERS:
        raise UsageError(
            f"what to write to {path} is not known: end its name in {' or '.join(_WRITERS)}"
        )
    if path.is_dir():
        raise SelectionError(f"cannot write {path}: it is a folder; name a file in --output")
    with _guard(path):
        draft = _draft(path)
        draft.touch()
        draft.unlink()


def write_lines(path: Path, lines: Lines) -> None:
    """Write JSON Lines or Parquet, by the file's ending; an old file stays until all is written.

    Raises:
        SelectionError: it cannot be written.
    """
    draft = _draft(path)
    with _guard(path):
        try:
            _WRITERS[path.suffix.lower()](draft, lines)
            with draft.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SelectionError(
            f"cannot write {path}: {error.strerror or error}; check --output"
        ) from error


def _draft(path: Path) -> Path:
    """Beside the file, so that it can take its place; of this process alone."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _write_json_lines(path: Path, lines: Lines) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(
            f"{json.dumps(line, ensure_ascii=False, allow_nan=False)}\n" for line in lines
        )


def _write_parquet(path: Path, lines: Lines) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    inferred = pa.Table.from_pylist(lines).schema
    schema = pa.schema([pa.field(each.name, _with_numbers(each.type)) for each in inferred])
    parquet.write_table(pa.Table.from_pylist(lines, schema=schema), path)


def _with_numbers(kind: pa.DataType) -> pa.DataType:
    """A score that no line has a value of is a number too, so that all files have one schema."""
    import pyarrow as pa

    if pa.types.is_null(kind):
        return pa.float64()
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(each.name, _with_numbers(each.type)) for each in kind])
    return kind


_WRITERS: dict[str, Callable[[Path, Lines], None]] = {
    ".jsonl": _write_json_lines,
    ".parquet": _write_parquet,
}
