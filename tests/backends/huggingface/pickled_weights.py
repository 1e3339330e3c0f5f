"""Models whose weights are pickles."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from llmprof.backends import BackendOptions, create_backend
from llmprof.requests import LogLikelihood
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import SENTENCES

REQUESTS = [LogLikelihood(SENTENCES[0], " She was good."), LogLikelihood("The", " men were known")]
reads_pickles = pytest.mark.skipif(
    Version(version("torch")) < Version("2.10"), reason="older torch reads no pickle here"
)


HUB_ID = "someone/some-model"


def to_pickle(folder: Path, safetensors: str, name: str, shards: int = 1) -> Path:
    """Replace the safetensors of `folder` by the same weights in `shards` pickles."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(folder / safetensors)
    (folder / safetensors).unlink()
    if shards == 1:
        torch.save(weights, folder / name)
        return folder
    places: dict[str, str] = {}
    for number in range(shards):
        file = f"{Path(name).stem}-{number + 1:05d}-of-{shards:05d}.bin"
        part = dict(list(weights.items())[number::shards])
        torch.save(part, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / f"{name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


def allowed(model: Path | str, **changes: Any) -> BackendOptions:
    return BackendOptions(model=str(model), allow_pickle=True, **changes)


def answers(ask: Ask, options: BackendOptions) -> list[tuple[float, ...]]:
    found = ask(create_backend("huggingface", options), REQUESTS)
    assert all(isinstance(each, TokenLogProbs) for each in found)
    return [tuple(each.per_token) for each in found if isinstance(each, TokenLogProbs)]
