"""Networks with random weights, of published shapes, and requests in the form of data sets."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from _shared import answer

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.live import LiveModel
from llmprof.requests import Generate, LogLikelihood, Sampling


@dataclass(frozen=True)
class NetworkShape:
    """The size of a published network; `family` is its type of transformers."""

    family: str
    layers: int
    width: int
    inner: int
    heads: int
    key_heads: int
    head_size: int
    vocabulary: int


SHAPES = {
    "tiny": NetworkShape("llama", 2, 64, 128, 4, 2, 16, 60_000),
    "135M": NetworkShape("llama", 30, 576, 1_536, 9, 3, 64, 49_152),  # SmolLM2
    "1B": NetworkShape("llama", 16, 2_048, 8_192, 32, 8, 64, 128_256),  # Llama 3.2
    "8B": NetworkShape("llama", 32, 4_096, 14_336, 32, 8, 128, 128_256),  # Llama 3.1
    "qwen-8B": NetworkShape("qwen3", 36, 4_096, 12_288, 32, 8, 128, 151_936),
    "gemma-2B": NetworkShape("gemma2", 26, 2_304, 9_216, 8, 4, 256, 256_000),
}
LOGITS_DEVIATION = 4.0
SCORES_DEVIATION = 3.0


@dataclass(frozen=True)
class DataShape:
    """The form of a data set: how many texts share a beginning, and how long the parts are."""

    name: str
    endings: int
    context_words: int
    ending_words: int


DATA = (
    DataShape("CrowS-Pairs", endings=2, context_words=0, ending_words=12),
    DataShape("OpenBookQA", endings=4, context_words=14, ending_words=3),
    DataShape("BBQ", endings=3, context_words=45, ending_words=3),
)


def network_of(shape: NetworkShape, words: Any) -> Any:
    """A network of this shape with random weights, in bf16, on the GPU if there is one."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        shape.family,
        num_hidden_layers=shape.layers,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.head_size,
        vocab_size=max(shape.vocabulary, len(words)),
        max_position_embeddings=2_048,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        tie_word_embeddings=False,
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        network = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    with torch.no_grad():
        sharpen(network, shape)
    return network.eval()


def sharpen(network: Any, shape: NetworkShape) -> None:
    """Scale weights so that tokens differ, attention is to few tokens, and few are likely next.

    Hidden states have a mean square of 1 after a norm.
    """
    embeddings = network.get_input_embeddings().weight
    grown = shape.width**0.5 if shape.family == "gemma2" else 1.0
    embeddings *= 1 / (float(embeddings.float().std()) * grown)
    head = network.get_output_embeddings().weight
    head *= LOGITS_DEVIATION / (float(head.float().std()) * shape.width**0.5)
    for layer in network.model.layers:
        attention = layer.self_attn
        if hasattr(attention, "q_norm"):
            attention.q_norm.weight *= SCORES_DEVIATION
            continue
        queries, keys = (
            float(each.weight.float().std()) * shape.width**0.5
            for each in (attention.q_proj, attention.k_proj)
        )
        attention.q_proj.weight *= SCORES_DEVIATION / (keys * queries)


@contextmanager
def loaded(folder: Path, **options: Any) -> Iterator[HuggingFaceBackend]:
    """The backend with its weights loaded, and its memory given back at the end."""
    with tempfile.TemporaryDirectory() as cache:
        backend = HuggingFaceBackend(
            BackendOptions(model=str(folder), cache_dir=Path(cache), **options)
        )
        answer(backend, [LogLikelihood("", "Warm up."), Generate("Warm up.", Sampling(2))])
        yield backend
        backend._model.unload()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder that is removed when the program ends."""
    return tempfile.TemporaryDirectory()


def in_memory(shape: str, network: Any, words: Any, batch_size: int | None) -> HuggingFaceBackend:
    """The backend of a network in memory, whose automatic batch sizes are measured anew."""
    live = LiveModel(shape, network, words)
    # Its fingerprint would copy all weights to the CPU, and nothing here is cached.
    live.__dict__["identity"] = {"live": shape, "dtype": "bf16"}
    folder = Path(tempfile.mkdtemp(dir=_scratch().name))
    options = BackendOptions(model=shape, cache_dir=folder, batch_size=batch_size)
    backend = HuggingFaceBackend(options, live)
    answer(backend, [LogLikelihood("", "Warm up."), Generate("Warm up.", Sampling(2))])
    return backend


def requests_like(shape: DataShape, groups: int) -> list[LogLikelihood]:
    """Texts of random words; those of a group differ in their last words only."""
    draw = random.Random(shape.name)

    def words(count: int) -> str:
        return "".join(" " + "".join(draw.choices("etaoinshrdlu", k=5)) for _ in range(count))

    made = []
    for _ in range(groups):
        context = words(shape.context_words).strip()
        shared = words(shape.ending_words // 2)
        made += [
            LogLikelihood(context, shared + words(shape.ending_words - shape.ending_words // 2))
            for _ in range(shape.endings)
        ]
    return made
