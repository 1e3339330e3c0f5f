"""Find and read a data set's file: in a folder, online, or among the built-in samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, TypeVar

from llmprof.datasets.downloads import OnlineFile, download, download_together
from llmprof.datasets.items import DataOptions
from llmprof.errors import DataError, DataNotFoundError

# How an escaped half of a surrogate pair begins.
_SURROGATE = "\\ud"
BUILTIN_DIR = Path(__file__).parent / "builtin"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DataFile:
    """Where a data set's file is: `path` in a data folder, `online` where it is downloaded from.

    The two may have different formats, which the ending of each path tells. `path` may have a `*`
    as that of `HubFile` may. `online` is None for a file that llmprof cannot download.
    """

    path: str
    online: OnlineFile | None = None


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One data file; `name` is what error messages call it, `sha256` is of its bytes."""

    name: str
    source: str
    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def suffix(self) -> str:
        """The ending of the file's name, in lower case, such as `.csv`."""
        return Path(self.name).suffix.lower()

    @property
    def json(self) -> Any:
        """The content as one JSON value.

        Raises:
            DataError: it is not UTF-8, or not JSON.
        """
        try:
            return parse_json(self.text)
        except ValueError as error:
            raise DataError(f"{self.name}: not JSON ({error}); fetch it again") from error

    @property
    def text(self) -> str:
        """The content as UTF-8, with or without a byte-order mark.

        Raises:
            DataError: it is not UTF-8.
        """
        try:
            return self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.name}: byte {error.start} is not UTF-8; save the file as UTF-8"
            ) from error


def parse_json(text: str) -> Any:
    """The JSON value in a text.

    Raises:
        ValueError: it is not JSON. NaN, infinities and half a surrogate pair are refused too,
            which Python's own parser would accept.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if _SURROGATE in text.lower():
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def read_file(path: Path, source: str) -> SourceFile:
    """Read a local file.

    Raises:
        DataNotFoundError: it cannot be read.
    """
    try:
        return SourceFile(str(path), source, path.read_bytes())
    except OSError as error:
        in_folder = source.startswith("folder:")
        advice = "check --data-dir, or use --data builtin" if in_folder else "check the path"
        raise DataNotFoundError(f"cannot read {path}: {error.strerror}; {advice}") from error


def is_there(file: DataFile, options: DataOptions) -> bool:
    """Whether the file is in the folder or built in; an online file is assumed to be there."""
    root = BUILTIN_DIR if options.data == "builtin" else options.folder
    if root is None:
        return file.online is not None
    return _named(root.expanduser(), file.path).is_file()


def open_source(file: DataFile, options: DataOptions) -> SourceFile:
    """Read the data set's file from the folder, a download, or the built-in samples.

    Raises:
        DataNotFoundError: there is no such file, or it cannot be fetched, with what to do.
    """
    if options.data == "builtin":
        path = _named(BUILTIN_DIR, file.path)
        if not path.is_file():
            raise DataNotFoundError(
                f"{file.path} has no built-in sample; use --data hub, or pass --data-dir DIR"
            )
        return read_file(path, "builtin")
    folder = options.folder
    if folder is not None:
        path = _named(Path(os.path.realpath(folder.expanduser())), file.path)
        return read_file(path, f"folder:{path}")
    if file.online is None:
        raise DataNotFoundError(
            f"llmprof cannot download {file.path}; put it in a folder and pass --data-dir DIR, or "
            "use --data builtin"
        )
    return read_file(*download(file.online, offline=options.offline))


def _named(folder: Path, path: str) -> Path:
    """The file with that path in the folder; of several that a `*` fits, the first by name."""
    found = sorted(folder.glob(path)) if "*" in path else ()
    return next(iter(found), folder / path)


def combine(files: Sequence[SourceFile]) -> tuple[str, str]:
    """Source and SHA-256 of a data set that is spread over several files, in their order.

    A single file, even when given twice, keeps its own hash; the hash of several files is the hash
    of their hashes.
    """
    sources = list(dict.fromkeys(file.source for file in files))
    hashes = list(dict.fromkeys(file.sha256 for file in files))
    if len(hashes) == 1:
        return sources[0], hashes[0]
    return ", ".join(sources), hashlib.sha256("".join(hashes).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SourceParts:
    """The files of a data set in parts, by name; `source` tells which parts are not there."""

    files: Mapping[str, SourceFile]
    source: str
    sha256: str

    @property
    def first(self) -> SourceFile:
        return next(iter(self.files.values()))


def open_parts(known: Mapping[str, DataFile], options: DataOptions) -> SourceParts:
    """Read those parts of a data set that are there, in the order of `known`.

    Raises:
        DataNotFoundError: none of them is there, or one cannot be downloaded.
    """
    there = [name for name, file in known.items() if is_there(file, options)]
    names = there or list(known)
    if options.folder is None and options.data != "builtin":
        online = [file.online for name in names if (file := known[name]).online is not None]
        download_together(online, offline=options.offline)
    files = {name: open_source(known[name], options) for name in names}
    missing = [name for name in known if name not in files]
    sources = [file.source for file in files.values()]
    source = sources[0]
    if source != "builtin":
        source = os.path.commonpath([Path(each).parent for each in sources])
        source += f" (not there: {', '.join(missing)})" if missing else ""
    return SourceParts(files, source, combine(list(files.values()))[1])


def in_turn(lists: Iterable[Sequence[_T]]) -> Iterator[_T]:
    """The first item of each list, then the second of each, and so on.

    >>> list(in_turn([[1, 2, 3], [10]]))
    [1, 10, 2, 3]
    """
    return (each for each in chain.from_iterable(zip_longest(*lists)) if each is not None)
