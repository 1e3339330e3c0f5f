"""Download a data set's file at a fixed commit: from the Hub, or from its authors on GitHub."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from urllib.parse import quote

from llmprof.errors import DataNotFoundError
from llmprof.event_loop import run_to_end
from llmprof.network_settings import check_network_settings, network_settings
from llmprof.options import cache_folder
from llmprof.outputs import write_output

GITHUB = "https://raw.githubusercontent.com"
_TIMEOUT_SECONDS = 20.0
# A data set may have dozens of files, and a server may refuse many requests at a time.
_AT_ONCE = 8
_FORBIDDEN = "--offline forbids a download"


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a data set on the Hub; `revision` is a commit hash.

    `path` may have a `*` in its name where part of the name differs from file to file.
    """

    repo: str
    revision: str
    path: str


@dataclass(frozen=True, slots=True)
class GitHubFile:
    """One file of a repository on GitHub, at a commit."""

    repo: str
    commit: str
    path: str


OnlineFile = HubFile | GitHubFile


def download(file: OnlineFile, *, offline: bool) -> tuple[Path, str]:
    """Path of the local copy, downloaded if needed, and the source as results name it.

    Raises:
        DataNotFoundError: it is not there and `offline` is set, or it cannot be downloaded.
        UsageError: the environment names a proxy or certificates that cannot be used.
        OutputError: it cannot be written to the cache folder.
    """
    if isinstance(file, GitHubFile):
        return _from_github(file, offline=offline)
    return _from_hub(file, offline=offline)


def download_together(files: Sequence[OnlineFile], *, offline: bool) -> None:
    """Download those files on GitHub that are not on this machine, a few at the same time.

    Raises:
        DataNotFoundError, UsageError, OutputError: see `download`.
    """
    missing = [
        each for each in files if isinstance(each, GitHubFile) and not _copy_of(each).is_file()
    ]
    if not missing:
        return
    if offline:
        raise _not_downloaded(missing[0], _FORBIDDEN)
    try:
        run_to_end(partial(_get_all, missing))
    except ExceptionGroup as errors:
        # The first failure cancels the other downloads.
        raise errors.exceptions[0] from None


async def _get_all(files: Sequence[GitHubFile]) -> None:
    import anyio
    import httpx

    limit = anyio.CapacityLimiter(_AT_ONCE)
    with network_settings():
        client = httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, follow_redirects=True)

    async def get(file: GitHubFile) -> None:
        async with limit:
            try:
                answer = await client.get(_address_of(file))
                answer.raise_for_status()
            except httpx.HTTPError as problem:
                raise _not_downloaded(file, _refusal("GitHub", problem)) from problem
            path = _copy_of(file)
            # If the folder cannot be made, the next line says so.
            with suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_output(path, answer.content)

    async with client, anyio.create_task_group() as tasks:
        for file in files:
            tasks.start_soon(get, file)


def _from_github(file: GitHubFile, *, offline: bool) -> tuple[Path, str]:
    """The copy in the cache folder."""
    download_together([file], offline=offline)
    return _copy_of(file), f"github:{file.repo}@{file.commit}/{file.path}"


def _copy_of(file: GitHubFile) -> Path:
    """Where it is kept: datasets/github/OWNER/NAME/COMMIT/PATH in the cache folder."""
    return cache_folder(None).expanduser() / "datasets" / "github" / _name_of(file)


def _address_of(file: GitHubFile) -> str:
    return f"{GITHUB}/{quote(_name_of(file))}"


def _name_of(file: GitHubFile) -> str:
    return f"{file.repo}/{file.commit}/{file.path}"


def _not_downloaded(file: GitHubFile, reason: str) -> DataNotFoundError:
    return DataNotFoundError(
        f"data file {file.path} of github.com/{file.repo} is not on this machine and {reason}; "
        f"get {_address_of(file)}, put it in a folder and pass --data-dir DIR, or use --data "
        "builtin"
    )


def _from_hub(file: HubFile, *, offline: bool) -> tuple[Path, str]:
    """The copy in the Hub's local cache."""
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
        check_network_settings()
        try:
            # A failing download is retried for half a minute; this request fails at once.
            url = hf_hub_url(file.repo, file.path, repo_type="dataset", revision=file.revision)
            get_hf_file_metadata(url, timeout=_TIMEOUT_SECONDS)
            path = fetch(cached=False)
        except (HfHubHTTPError, httpx.HTTPError, OSError) as problem:
            raise _missing(file, _refusal("the Hub", problem)) from problem
    # The Hub's cache keeps a file as .../snapshots/COMMIT/PATH.
    commit = Path(path).parents[file.path.count("/")].name
    return Path(path), f"hub:{file.repo}@{commit}/{file.path}"


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
        check_network_settings()
        try:
            listed = HfApi().list_repo_tree(
                file.repo,
                file.path.rpartition("/")[0],
                revision=file.revision,
                repo_type="dataset",
            )
            names = [each.path for each in listed]
        except (HfHubHTTPError, httpx.HTTPError, OSError) as problem:
            raise _missing(file, _refusal("the Hub", problem)) from problem
    found = sorted(fnmatch.filter(names, file.path))
    if not found:
        raise _missing(file, "the Hub has no such file at that revision")
    return replace(file, path=found[0])


def _refusal(who: str, problem: Exception) -> str:
    first = next(iter(str(problem).splitlines()), "")[:120].strip()
    return f"{who} did not give it ({type(problem).__name__}: {first})"


def _missing(file: HubFile, reason: str) -> DataNotFoundError:
    name = f"--include '{file.path}'" if "*" in file.path else file.path
    return DataNotFoundError(
        f"data file {file.path} of {file.repo} is not on this machine and {reason}; run "
        f"`hf download --repo-type dataset --revision {file.revision} {file.repo} {name}` "
        "where there is a network, pass --data-dir DIR, or use --data builtin"
    )
