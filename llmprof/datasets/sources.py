"""Finds the file of a data set: in a folder, or among the built-in samples."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from llmprof.datasets.items import DataOptions
from llmprof.errors import DataError, DataNotFoundError

BUILTIN_DIR = Path(__file__).parent / "builtin"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One data file, decoded; `name` is what error messages call it."""

    name: str
    source: str
    sha256: str
    text: str


def read_text(path: Path, source: str) -> SourceFile:
    """Read a UTF-8 file, with or without a byte-order mark.

    Raises:
        DataNotFoundError: it cannot be read.
        DataError: it is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataNotFoundError(
            f"cannot read {path}: {error.strerror}; check --data-dir, or use --data builtin"
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        ) from error
    return SourceFile(str(path), source, hashlib.sha256(content).hexdigest(), text)


def open_source(relative: str, options: DataOptions) -> SourceFile:
    """The data set's file at `relative` in the folder or among the built-in samples.

    Raises:
        DataNotFoundError: there is no such file, or the Hub was asked for.
        DataError: it is not UTF-8.
    """
    if options.data == "builtin":
        return read_text(BUILTIN_DIR / relative, "builtin")
    folder = options.data_dir
    if options.data not in (None, "hub"):
        folder = Path(str(options.data))
    if folder is None or options.data == "hub":
        raise DataNotFoundError(
            f"data file {relative} is needed and reading it from the Hub is not available in this "
            "version; put it in a folder and pass --data-dir DIR, or use --data builtin"
        )
    path = folder.expanduser().resolve() / relative
    return read_text(path, f"folder:{path}")
