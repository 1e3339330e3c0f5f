"""Fetches single files of data sets from the Hub, each at a pinned commit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmprof.errors import DataNotFoundError

_TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a data set on the Hub; `revision` is a commit hash wherever there is one."""

    repo: str
    revision: str
    path: str


def download(file: HubFile, *, offline: bool) -> tuple[Path, str]:
    """The file in the Hub's own cache, downloaded when it is not there, and its commit hash.

    Raises:
        DataNotFoundError: it is not there and `offline` is set, or the Hub does not give it.
    """
    import httpx
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

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
            raise _missing(file, "--offline forbids a download") from error
        try:
            # A download tries again for half a minute; one question shows whether it can succeed.
            url = hf_hub_url(file.repo, file.path, repo_type="dataset", revision=file.revision)
            get_hf_file_metadata(url, timeout=_TIMEOUT_SECONDS)
            path = fetch(cached=False)
        except (HfHubHTTPError, httpx.HTTPError, OSError) as problem:
            first = next(iter(str(problem).splitlines()), "")[:120].strip()
            reason = f"the Hub did not give it ({type(problem).__name__}: {first})"
            raise _missing(file, reason) from problem
    # The Hub's cache keeps a file as .../snapshots/COMMIT/PATH.
    commit = Path(path).parents[file.path.count("/")].name
    return Path(path), commit


def _missing(file: HubFile, reason: str) -> DataNotFoundError:
    return DataNotFoundError(
        f"data file {file.path} of {file.repo} is not on this machine and {reason}; run "
        f"`hf download --repo-type dataset --revision {file.revision} {file.repo} {file.path}` "
        "where there is a network, pass --data-dir DIR, or use --data builtin"
    )
