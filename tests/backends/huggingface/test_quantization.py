"""Weights really are 8 and 4 bits wide, and answers stay near those of full precision."""

from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.model import LocalModel
from llmprof.requests import Embed, Generate, LogLikelihood, Sampling
from llmprof.responses import Completion, Embedding, TokenLogProbs
from tests.backends.conftest import Ask

LIKELY = LogLikelihood("The capital of France is", " Paris.")
UNLIKELY = LogLikelihood("The capital of France is", " banana.")


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def linear_layers(network: Any) -> list[Any]:
    return [module for name, module in network.named_modules() if name.endswith(("_proj", "query"))]


@pytest.mark.parametrize(
    ("quantize", "kind"), [("8bit", "Linear8bitLt"), ("4bit", "Linear4bit"), ("none", "Linear")]
)
def test_every_projection_of_the_layers_is_quantized(
    tiny_llama: Path, quantize: str, kind: str
) -> None:
    network = LocalModel(BackendOptions(model=str(tiny_llama), quantize=quantize)).network
    layers = linear_layers(network)
    assert len(layers) == 14
    assert {type(layer).__name__ for layer in layers} == {kind}


def test_four_bits_are_double_quantized_normal_float_in_the_chosen_dtype(tiny_llama: Path) -> None:
    import torch

    options = BackendOptions(model=str(tiny_llama), quantize="4bit", dtype="bf16")
    for layer in linear_layers(LocalModel(options).network):
        assert layer.weight.quant_state.quant_type == "nf4"
        assert layer.weight.quant_state.nested
        assert layer.compute_dtype == torch.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("quantize", ["8bit", "4bit"])
def test_real_model_answers_sensibly(cache_dir: Path, ask: Ask, quantize: str) -> None:
    asked = [LIKELY, UNLIKELY, Generate("The capital of France is", Sampling(8)), Embed("Paris")]
    asked_plainly = create_backend("huggingface", BackendOptions(cache_dir=cache_dir))
    plain = ask(asked_plainly, [LIKELY, asked[3]])
    options = BackendOptions(cache_dir=cache_dir, quantize=quantize)
    likely, unlikely, text, vector = ask(create_backend("huggingface", options), asked)
    assert isinstance(likely, TokenLogProbs) and isinstance(unlikely, TokenLogProbs)
    assert isinstance(text, Completion) and isinstance(vector, Embedding)
    assert isinstance(plain[0], TokenLogProbs) and isinstance(plain[1], Embedding)
    assert likely.total > unlikely.total + 2
    # Near full precision, and not equal to it: the weights were rounded.
    assert likely.total == pytest.approx(plain[0].total, abs=1.5)
    assert likely.total != pytest.approx(plain[0].total, abs=1e-4)
    assert text.token_count == 8
    assert cosine(vector.vector, plain[1].vector) > 0.8


def cosine(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    import numpy as np

    return float(np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other))
