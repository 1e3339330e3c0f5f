"""Finds a model on the Hugging Face Hub or in its cache on this machine."""

from __future__ import annotations

import json
from pathlib import Path

from llmprof.errors import ModelNotFoundError

_SECONDS = 20


def find_on_hub(
    repository: str, revision: str | None, config: str, weights: str, *, offline: bool
) -> str:
    """The commit hash that will be loaded.

    A complete copy in the Hub's cache is used as it is and nothing is asked of the network;
    `hf download` refreshes it. The token is the Hub's own affair (HF_TOKEN or `hf auth login`).

    Raises:
        ModelNotFoundError: it is neither here nor there, or has no safetensors weights.
    """
    from huggingface_hub.errors import HFValidationError

    try:
        commit = _cached_commit(repository, revision, config, weights)
    except HFValidationError as error:
        raise ModelNotFoundError(
            f"{repository!r} is neither a folder, a GGUF file nor a Hub id; check the name"
        ) from error
    if commit is not None:
        return commit
    if offline:
        raise ModelNotFoundError(
            f"{_named(repository, revision)} is not whole on this machine and --offline forbids a "
            f"download; run `hf download {repository}` first, or give a local folder"
        )
    return _remote_commit(repository, revision, weights)


def missing_weights(folder: Path, weights: str) -> list[str]:
    """Names of the weight files that `folder` lacks; an index names those of a sharded model.

    Raises:
        ModelNotFoundError: the index is broken.
    """
    index = folder / f"{weights}.index.json"
    needed = [weights]
    if index.is_file():
        try:
            needed = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelNotFoundError(
                f"{index} is not an index of weights; get the model again"
            ) from error
    return [name for name in needed if not (folder / name).is_file()]


def _named(repository: str, revision: str | None) -> str:
    return repr(repository) + (f" at revision {revision!r}" if revision else "")


def _cached_commit(repository: str, revision: str | None, config: str, weights: str) -> str | None:
    from huggingface_hub import try_to_load_from_cache

    file = try_to_load_from_cache(repository, config, revision=revision)
    if not isinstance(file, str):
        return None
    folder = Path(file).parent
    return None if missing_weights(folder, weights) else folder.name


def _remote_commit(repository: str, revision: str | None, weights: str) -> str:
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    name = _named(repository, revision)
    try:
        info = HfApi().model_info(repository, revision=revision, timeout=_SECONDS)
    except GatedRepoError as error:
        raise ModelNotFoundError(
            f"the Hub wants to know who you are before it gives you {name}; ask for access on its "
            "page, then set HF_TOKEN or run `hf auth login`"
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
            f"`hf download {repository}`, or give a local folder or GGUF file"
        ) from error
    files = {sibling.rfilename for sibling in info.siblings or ()}
    if files.isdisjoint({weights, f"{weights}.index.json"}):
        raise ModelNotFoundError(
            f"{name} has no {weights}: its weights are pickles, which could run any code, or "
            "another format; choose a model that has safetensors"
        )
    return str(info.sha)
