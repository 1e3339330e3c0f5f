"""Finds a model on the Hugging Face Hub or in its cache on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from llmprof.backends.huggingface.weights import (
    PICKLE_ADVICE,
    CheckpointLayout,
    index_of,
    whole_weights,
)
from llmprof.errors import ModelNotFoundError
from llmprof.network_settings import check_network_settings

_SECONDS = 20


class OnHub(NamedTuple):
    """The commit hash that will be loaded, which of its weights, and where they are, if here."""

    commit: str
    weights: str
    folder: Path | None


def find_on_hub(
    repository: str,
    revision: str | None,
    layout: CheckpointLayout,
    *,
    allow_pickle: bool,
    offline: bool,
) -> OnHub:
    """Find the commit and the weights of a repository that will be loaded.

    A complete copy in the Hub's cache is used without network access; `hf download` updates it. The
    Hub's library finds the token itself (HF_TOKEN or `hf auth login`).

    Raises:
        ModelNotFoundError: it is neither here nor there, or has no weights that may be read.
    """
    from huggingface_hub.errors import HFValidationError

    acceptable = layout.acceptable(allow_pickle)
    try:
        found = _cached(repository, revision, layout.config, acceptable)
    except HFValidationError as error:
        raise ModelNotFoundError(
            f"{repository!r} is neither a folder, a GGUF file nor a Hub id; check the name"
        ) from error
    if found is not None:
        folder, weights = found
        return OnHub(folder.name, weights, folder)
    if offline:
        if _cached(repository, revision, layout.config, (layout.pickle,)):
            raise _pickled(_named(repository, revision))
        raise ModelNotFoundError(
            f"{_named(repository, revision)} is not whole on this machine and --offline forbids a "
            f"download; run `{_download(repository, revision)}` first, or give a local folder"
        )
    return _remote_commit(repository, revision, layout, acceptable)


def pickle_folder(repository: str, commit: str, layout: CheckpointLayout) -> Path:
    """The folder of a pickled model; from an id, transformers would have the Hub convert it.

    Raises:
        ModelNotFoundError: it is not whole on this machine and cannot be had.
    """
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    found = _cached(repository, commit, layout.config, (layout.pickle,))
    if found is not None:
        return found[0]
    check_network_settings()
    patterns = ["*.json", "*.py", f"{Path(layout.pickle).stem}*.bin"]
    try:
        return Path(snapshot_download(repository, revision=commit, allow_patterns=patterns))
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise ModelNotFoundError(
            f"cannot get {_named(repository, commit)} ({type(error).__name__}); check the network "
            f"and the disk, or run `{_download(repository, commit)}`"
        ) from error


def _named(repository: str, revision: str | None) -> str:
    return repr(repository) + (f" at revision {revision!r}" if revision else "")


def _download(repository: str, revision: str | None) -> str:
    return f"hf download {repository}" + (f" --revision {revision}" if revision else "")


def _cached(
    repository: str, revision: str | None, config: str, acceptable: tuple[str, ...]
) -> tuple[Path, str] | None:
    """The folder of a complete copy on this machine, and which weights it holds."""
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(repository, config, revision=revision)
    if not isinstance(file, str):
        return None
    folder = Path(file).parent
    weights = whole_weights(folder, acceptable)
    return None if weights is None else (folder, weights)


def _pickled(name: str) -> ModelNotFoundError:
    return ModelNotFoundError(
        f"the weights of {name} are pickles, which could run any code; choose a model that has "
        f"safetensors, {PICKLE_ADVICE}"
    )


def _remote_commit(
    repository: str, revision: str | None, layout: CheckpointLayout, acceptable: tuple[str, ...]
) -> OnHub:
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = _named(repository, revision)
    check_network_settings()
    try:
        info = HfApi().model_info(repository, revision=revision, timeout=_SECONDS)
    except GatedRepoError as error:
        raise ModelNotFoundError(
            f"{name} is gated: ask for access on its page of the Hub, then log in with "
            "`hf auth login` or set HF_TOKEN"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelNotFoundError(f"the Hub has no {name}; check the revision") from error
    except RepositoryNotFoundError as error:
        raise ModelNotFoundError(
            f"the Hub has no {name}, or it is private; check the name, or set HF_TOKEN"
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise ModelNotFoundError(
            f"cannot ask the Hub for {name} ({type(error).__name__}); check the network, run "
            f"`{_download(repository, revision)}`, or give a local folder or GGUF file"
        ) from error
    files = {sibling.rfilename for sibling in info.siblings or ()}
    for weights in (*acceptable, layout.pickle):
        if files.isdisjoint({weights, index_of(weights)}):
            continue
        if weights not in acceptable:
            raise _pickled(name)
        return OnHub(str(info.sha), weights, None)
    raise ModelNotFoundError(
        f"{name} has no {' or '.join(acceptable)}: its weights are in another format; choose a "
        "model that has safetensors"
    )
