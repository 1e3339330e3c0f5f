"""Looks at pickled weights before they are loaded: torch builds tensors from them, or refuses."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from llmprof.backends.huggingface.weights import weight_files
from llmprof.errors import BackendError, MissingDependencyError


def check_pickles(folder: Path, weights: str) -> None:
    """Read the structure of each pickle, but no numbers, with torch's restricted unpickler.

    The libraries that load them use the same unpickler, but each words its errors differently.

    Raises:
        BackendError: a pickle holds more than tensors, or is broken.
        MissingDependencyError: this torch's unpickler can be tricked.
    """
    import torch

    if torch.__version__ < "2.10":
        raise MissingDependencyError(
            f"torch {torch.__version__} can be tricked into running what a pickle holds "
            "(CVE-2026-24747); upgrade to torch 2.10 or newer, or use safetensors"
        )
    for name in weight_files(folder, weights):
        _check(folder / name)


def _check(file: Path) -> None:
    try:
        content = _structure(file)
    except UnpicklingError as error:
        asked = re.search(r"GLOBAL (\S+)", str(error))
        why = f"asks for {asked[1]}" if asked else "is broken or not made by torch"
        raise BackendError(
            f"torch refuses to read {file}: the pickle {why}, and only tensors are built from one; "
            "get the weights as safetensors"
        ) from error
    except Exception as error:  # Bytes that are no pickle can raise anything at all.
        raise BackendError(
            f"cannot read the pickle {file}; it is broken: get it again, or as safetensors"
        ) from error
    if not isinstance(content, Mapping):
        raise BackendError(
            f"the pickle {file} holds a {type(content).__name__} and not weights by name; get the "
            "weights as safetensors"
        )


def _structure(file: Path) -> Any:
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Detected pickle protocol")
        return torch.load(file, map_location="meta", weights_only=True)
