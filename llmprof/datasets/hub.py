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
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        path = hf_hub_download(
            file.repo,
            file.path,
            repo_type="dataset",
            revision=file.revision,
            local_files_only=offline,
            etag_timeout=_TIMEOUT_SECONDS,
        )
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx.HTTPError, OSError) as error:
        reason = "--offline forbids a download" if offline else _reason(error)
        raise DataNotFoundError(
            f"data file {file.path} of {file.repo} is not on this machine and {reason}; run "
            f"`hf download --repo-type dataset --revision {file.revision} {file.repo} "
            f"{file.path}` where there is a network, pass --data-dir DIR, or use --data builtin"
        ) from error
    # The Hub's cache keeps a file as .../snapshots/COMMIT/PATH.
    commit = Path(path).parents[file.path.count("/")].name
    return Path(path), commit


def _reason(error: Exception) -> str:
    first = next(iter(str(error).splitlines()), "")
    return f"the Hub did not give it ({type(error).__name__}: {first[:120].strip()})"
