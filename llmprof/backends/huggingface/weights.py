"""File names of weights, index files of shards, and the check of pickles."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from pickle import UnpicklingError
from typing import Any

from llmprof.errors import BackendError, MissingDependencyError, ModelNotFoundError

# The entry of a safetensors header that is no tensor.
_METADATA = "__metadata__"
# What architectures call their number of layers.
_LAYER_COUNTS = (
    *("num_hidden_layers", "num_layers", "n_layer", "n_layers"),
    *("encoder_layers", "decoder_layers", "num_decoder_layers"),
)
PICKLE_ADVICE = "or, if you trust who made it, add --allow-pickle"


@dataclass(frozen=True, slots=True)
class CheckpointLayout:
    """File names of a model or an adapter; `what` names the thing in messages."""

    what: str
    config: str
    safetensors: str
    pickle: str

    def acceptable(self, allow_pickle: bool) -> tuple[str, ...]:
        """The weights that may be read, the preferred first."""
        return (self.safetensors, self.pickle) if allow_pickle else (self.safetensors,)


MODEL = CheckpointLayout(
    "a Hugging Face model", "config.json", "model.safetensors", "pytorch_model.bin"
)
ADAPTER = CheckpointLayout(
    "a PEFT adapter", "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
)


def index_of(weights: str) -> str:
    """The name of the file that lists the shards of `weights`."""
    return f"{weights}.index.json"


def weight_files(folder: Path, weights: str) -> list[str]:
    """Names of the files that hold `weights`: one, or else those that an index in `folder` lists.

    Raises:
        ModelNotFoundError: the index is broken, or lists files of another format.
    """
    index = folder / index_of(weights)
    if (folder / weights).is_file() or not index.is_file():
        return [weights]
    try:
        names = sorted({str(name) for name in json.loads(index.read_text())["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelNotFoundError(
            f"{index} is not an index of weights; get the model again"
        ) from error
    for name in names:
        if PureWindowsPath(name).anchor or ".." in PureWindowsPath(name).parts:
            raise ModelNotFoundError(
                f"{index} lists {name}, which is outside its folder; get the model again"
            )
        # transformers takes a shard for a pickle when its name says so, whatever lists it.
        if Path(name).suffix != Path(weights).suffix:
            raise ModelNotFoundError(
                f"{index} lists {name}, which is not a {Path(weights).suffix} file; get the model "
                "again"
            )
    return names


def missing_weights(folder: Path, weights: str) -> list[str]:
    """Names of the files of `weights` that `folder` lacks.

    Raises:
        ModelNotFoundError: the index is broken.
    """
    return [name for name in weight_files(folder, weights) if not (folder / name).is_file()]


def whole_weights(folder: Path, acceptable: tuple[str, ...]) -> str | None:
    """The first of the acceptable weights that `folder` holds completely, if any.

    Raises:
        ModelNotFoundError: an index is broken.
    """
    return next((each for each in acceptable if not missing_weights(folder, each)), None)


def parameter_count(folder: Path, weights: str) -> int | None:
    """How many numbers the safetensors of `weights` hold, from their headers; None if unknown."""
    shapes = _shapes(folder, weights)
    return None if shapes is None else sum(map(math.prod, shapes))


def check_layers(config: Mapping[str, Any], folder: Path, weights: str, model: str) -> None:
    """Refuse a configuration with more layers than the safetensors of `weights` have tensors.

    transformers would build every one of them before it looks at the weights, which takes hours
    for a million.

    Raises:
        BackendError: it has.
    """
    shapes = _shapes(folder, weights)
    layers = max(_layers(config), default=0)
    if shapes is not None and layers > len(shapes):
        raise BackendError(
            f"the configuration of model {model} is broken: it says {layers} layers, and the "
            f"weights are {len(shapes)} tensors; get its config.json again"
        )


def _shapes(folder: Path, weights: str) -> list[list[int]] | None:
    """The shape of each tensor, from the headers of safetensors; None where there are none."""
    found: list[list[int]] = []
    for name in weight_files(folder, weights):
        if Path(name).suffix != ".safetensors" or not (folder / name).is_file():
            return None
        try:
            with (folder / name).open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            found += [each["shape"] for key, each in header.items() if key != _METADATA]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError):
            return None  # broken: loading it will tell
    return found


def _layers(config: Mapping[str, Any]) -> Iterator[int]:
    """Every number of layers in a configuration and its parts."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _layers(value)
        elif name in _LAYER_COUNTS and isinstance(value, int):
            yield value


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
