"""Which files hold the weights of a model or an adapter, and which of them may be read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from llmprof.errors import ModelNotFoundError

PICKLE_ADVICE = "or, if you trust who made it, add --allow-pickle"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the files of a model or an adapter are called; `what` names it in a message."""

    what: str
    config: str
    safetensors: str
    pickle: str

    def acceptable(self, allow_pickle: bool) -> tuple[str, ...]:
        """The weights that may be read, the preferred first."""
        return (self.safetensors, self.pickle) if allow_pickle else (self.safetensors,)


MODEL = Kind("a Hugging Face model", "config.json", "model.safetensors", "pytorch_model.bin")
ADAPTER = Kind(
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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelNotFoundError(
            f"{index} is not an index of weights; get the model again"
        ) from error
    for name in names:
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
