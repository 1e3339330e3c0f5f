"""Atomic writing of output files, which never overwrites a database or an input of the command."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from llmprof.errors import OutputError

_SQLITE = b"SQLite format 3\x00"
# Files that SQLite keeps beside a database.
_COMPANIONS = ("-wal", "-shm", "-journal")
# Paths below these are devices, which cannot be replaced by another file.
_SYSTEM = ("/dev/", "/proc/")


def check_output(path: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Refuse to write a file if that would destroy data or cannot succeed.

    `inputs` are the files that the command reads; a database is always refused.

    Raises:
        OutputError: it is a folder, a database or an input, or its folder cannot be written to.
    """
    with _guard(path):
        if path.is_dir():
            raise OutputError(f"cannot write {path}: it is a folder; name a file")
        if _is_special(path) and path.exists():
            return
        if _is_database(path):
            raise OutputError(f"cannot write {path}: it is a database; choose another file")
        _spare(path, inputs)
        draft = _draft(path)
        draft.touch()
        draft.unlink()


def check_apart(written: Sequence[Path], read: Iterable[Path]) -> None:
    """Refuse outputs that the same command reads, before any work is done.

    An output file must not be an input, nor be in an input folder, such as a model's; an output
    folder must not contain an input. Databases are not checked here, since no output overwrites
    them.

    Raises:
        OutputError: one is read, or two are the same.
    """
    inputs = list(read)
    for place, path in enumerate(written):
        with _guard(path):
            if path.is_dir():
                _spare_in(path, inputs)
            elif not _is_database(path):
                _spare(path, inputs)
        if _real(path) in (_real(each) for each in written[:place]):
            raise OutputError(f"cannot write {path} twice; give each output a file of its own")


def paths_in(value: object) -> Iterator[Path]:
    """The existing files and folders that an option's value names.

    Texts may have several, separated by commas, each behind names, as in `recorded:NAME=FILE`, or
    before a revision, as in `FOLDER@main`.

    >>> [path.name for path in paths_in("replay:a=/dev/null, none")]
    ['null']
    """
    if isinstance(value, Path):
        yield value.expanduser()
    elif isinstance(value, str):
        pieces = dict.fromkeys((value, *map(str.strip, value.split(","))))
        starts = [(each, start) for each in pieces for start in _starts(each)]
        for text in dict.fromkeys(text for piece, at in starts for text in _named(piece[at:])):
            path = os.path.expanduser(text)
            if text and os.path.exists(path):
                yield Path(path)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from paths_in(each)


def _starts(text: str) -> list[int]:
    return [0, *(found.end() for found in re.finditer("[:=]", text))]


def _named(text: str) -> tuple[str, str]:
    return text, text.rpartition("@")[0]


@contextmanager
def new_file(path: Path, *, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """A temporary path to write to, which replaces `path` when the block ends without an error.

    An old file is kept until the new one is synced to disk, so that it also survives a power cut. A
    device or pipe is written directly.

    Raises:
        OutputError: see `check_output`; or the disk is full.
    """
    check_output(path, inputs=inputs)
    if _is_special(path):
        with _guard(path):
            yield path
        return
    draft = _draft(path)
    try:
        with _guard(path):
            yield draft
            _finish(draft, _real(path))
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder for output files, if it does not exist.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make folder {folder}: {error.strerror or error}; choose another folder"
        ) from error


def write_output(path: Path, content: str | bytes, *, inputs: Iterable[Path] = ()) -> None:
    """Write a text as UTF-8, or bytes, to a file: see `new_file`.

    Raises:
        OutputError: it cannot be written.
    """
    with new_file(path, inputs=inputs) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


def _spare(path: Path, inputs: Iterable[Path]) -> None:
    for each in inputs:
        if not path.exists() or not each.exists():
            continue
        if path.samefile(each):
            raise OutputError(
                f"cannot write {path}: it is an input of the same command; choose another file"
            )
        if each.is_dir() and _real(path).is_relative_to(_real(each)):
            raise OutputError(
                f"cannot write {path}: it is in {each}, an input of the same command; choose "
                "another file"
            )


def _spare_in(folder: Path, inputs: Iterable[Path]) -> None:
    for each in inputs:
        is_inside = _real(each).is_relative_to(_real(folder))
        is_folder = each.is_dir() and not each.samefile(folder)
        if each.exists() and is_inside and not is_folder and not is_sqlite(each):
            raise OutputError(
                f"cannot write to folder {folder}: it holds {each}, an input of the same command; "
                "choose another folder"
            )


def _finish(draft: Path, path: Path) -> None:
    """Sync the draft to disk and replace the file by it, keeping its permissions."""
    with suppress(FileNotFoundError):
        draft.chmod(path.stat().st_mode)
    with draft.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(draft, path)
    # The new name must be synced too; not every file system can sync a folder.
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _guard(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; choose another file"
        ) from error


def _draft(path: Path) -> Path:
    """A new name in the same folder, hence on the same disk, so that it can replace the file."""
    return _real(path).with_name(f".llmprof-{os.getpid()}-{secrets.token_hex(4)}.tmp")


def _real(path: Path) -> Path:
    """The path without symbolic links; a link in a cycle is kept as it is."""
    return Path(os.path.realpath(path))


def _is_special(path: Path) -> bool:
    return str(path).startswith(_SYSTEM) or (path.exists() and not path.is_file())


def _is_database(path: Path) -> bool:
    names = [path]
    for ending in _COMPANIONS:
        if path.name.endswith(ending):
            names.append(path.with_name(path.name.removesuffix(ending)))
    return any(map(is_sqlite, names))


def is_sqlite(path: Path) -> bool:
    """Whether a file begins as a database of SQLite does.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE
