"""Find and read a data set's file: in a folder, on the Hub, or among the built-in samples."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any, TypeVar

from llmprof.datasets.items import DataOptions
from llmprof.errors import DataError, DataNotFoundError

# How an escaped half of a surrogate pair begins.
_SURROGATE = "\\ud"
BUILTIN_DIR = Path(__file__).parent / "builtin"
_TIMEOUT_SECONDS = 20.0
_FORBIDDEN = "--offline forbids a download"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a data set on the Hub; `revision` is a commit hash wherever there is one.

    `path` may have a `*` in its name where part of the name differs from file to file.
    """

    repo: str
    revision: str
    path: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """Where a data set's file is: `path` in a data folder, `hub` on the Hub.

    The two may have different formats, which the ending of each path tells. `path` may have a `*`
    as that of `HubFile` may. `hub` is None for a file that is not on the Hub.
    """

    path: str
    hub: HubFile | None = None


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
    """Whether the file is in the folder or built in; a file on the Hub is assumed to be there."""
    root = BUILTIN_DIR if options.data == "builtin" else options.folder
    if root is None:
        return file.hub is not None
    return _named(root.expanduser(), file.path).is_file()


def open_source(file: DataFile, options: DataOptions) -> SourceFile:
    """Read the data set's file from the folder, the Hub, or the built-in samples.

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
    if file.hub is None:
        raise DataNotFoundError(
            f"{file.path} is not on the Hub; put it in a folder and pass --data-dir DIR, or use "
            "--data builtin"
        )
    path, commit = download(file.hub, offline=options.offline)
    name = "/".join(path.parts[-1 - file.hub.path.count("/") :])
    return read_file(path, f"hub:{file.hub.repo}@{commit}/{name}")


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


def source_of_parts(first: SourceFile, missing: Sequence[str]) -> str:
    """The folder or the Hub's repository of a data set in parts, and which parts it lacks."""
    if first.source == "builtin":
        return first.source
    folder = str(Path(first.source).parent)
    return f"{folder} (not there: {', '.join(missing)})" if missing else folder


def in_turn(lists: Iterable[Sequence[_T]]) -> Iterator[_T]:
    """The first item of each list, then the second of each, and so on.

    >>> list(in_turn([[1, 2, 3], [10]]))
    [1, 10, 2, 3]
    """
    return (each for each in chain.from_iterable(zip_longest(*lists)) if each is not None)


def download(file: HubFile, *, offline: bool) -> tuple[Path, str]:
    """Path of the file in the Hub's local cache, downloaded if needed, and its commit hash.

    Raises:
        DataNotFoundError: it is not there and `offline` is set, or the Hub does not give it.
    """
    import httpx
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    if "*" in file.path:
        file = _with_full_name(file, offline=offline)

    def fetch(*, cached: bool) -> str:
        return hf_hub_download(
            file.repo,
            file.path,
            repo_type="dataset",
            revision=file.revision,
            local_files_only=cached,
        )

    try:
        path = fetch(cached=True)
    except LocalEntryNotFoundError as error:
        if offline:
            raise _missing(file, _FORBIDDEN) from error
        try:
            # A failing download is retried for half a minute; this request fails at once.
            url = hf_hub_url(file.repo, file.path, repo_type="dataset", revision=file.revision)
            get_hf_file_metadata(url, timeout=_TIMEOUT_SECONDS)
            path = fetch(cached=False)
        except (HfHubHTTPError, httpx.HTTPError, OSError) as problem:
            raise _missing(file, _refusal(problem)) from problem
    # The Hub's cache keeps a file as .../snapshots/COMMIT/PATH.
    commit = Path(path).parents[file.path.count("/")].name
    return Path(path), commit


def _with_full_name(file: HubFile, *, offline: bool) -> HubFile:
    """The file whose path the `*` stands for: in the Hub's local cache, or in the Hub's listing.

    Raises:
        DataNotFoundError: there is none in the cache and `offline` is set, or none on the Hub.
    """
    import httpx
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        root = Path(
            snapshot_download(
                file.repo, repo_type="dataset", revision=file.revision, local_files_only=True
            )
        )
        names = [path.relative_to(root).as_posix() for path in root.glob(file.path)]
    except LocalEntryNotFoundError:
        names = []
    if not names:
        if offline:
            raise _missing(file, _FORBIDDEN)
        try:
            listed = HfApi().list_repo_tree(
                file.repo,
                file.path.rpartition("/")[0],
                revision=file.revision,
                repo_type="dataset",
            )
            names = [each.path for each in listed]
        except (HfHubHTTPError, httpx.HTTPError, OSError) as problem:
            raise _missing(file, _refusal(problem)) from problem
    found = sorted(fnmatch.filter(names, file.path))
    if not found:
        raise _missing(file, "the Hub has no such file at that revision")
    return replace(file, path=found[0])


def _refusal(problem: Exception) -> str:
    first = next(iter(str(problem).splitlines()), "")[:120].strip()
    return f"the Hub did not give it ({type(problem).__name__}: {first})"


def _missing(file: HubFile, reason: str) -> DataNotFoundError:
    name = f"--include '{file.path}'" if "*" in file.path else file.path
    return DataNotFoundError(
        f"data file {file.path} of {file.repo} is not on this machine and {reason}; run "
        f"`hf download --repo-type dataset --revision {file.revision} {file.repo} {name}` "
        "where there is a network, pass --data-dir DIR, or use --data builtin"
    )
