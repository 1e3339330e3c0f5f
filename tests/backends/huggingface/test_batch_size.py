"""When memory runs out the batch halves and the run goes on; what was found is remembered."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface import log_likelihood
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.kv_cache import BufferedSlots
from llmprof.errors import BackendError
from llmprof.requests import Embed, Generate, LogLikelihood, Request, Sampling
from tests.backends.conftest import Ask
from tests.tiny_models import SENTENCES

SCORES: list[Request] = [LogLikelihood(a, " " + b) for a in SENTENCES for b in SENTENCES]
TEXTS: list[Request] = [
    Generate(text, Sampling(6, temperature=1.0), sample)
    for text in SENTENCES
    for sample in range(4)
]
VECTORS: list[Request] = [Embed(text) for text in SENTENCES]


def limited(
    folder: Path, cache: Path, limit: Callable[[torch.Size], bool], message: str
) -> HuggingFaceBackend:
    """A backend whose network really raises above a size, as an allocator does."""
    backend = HuggingFaceBackend(BackendOptions(model=str(folder), cache_dir=cache, dtype="fp32"))
    first = backend._model.network.get_input_embeddings()

    def check(module: Any, inputs: Any) -> None:
        if limit(inputs[0].shape):
            raise RuntimeError(message)

    first.register_forward_pre_hook(check)
    return backend


@pytest.mark.parametrize("requests", [SCORES, TEXTS, VECTORS], ids=["scores", "texts", "vectors"])
def test_batches_halve_until_they_fit(
    tiny_llama: Path, ask: Ask, tmp_path: Path, requests: list[Request]
) -> None:
    whole = HuggingFaceBackend(BackendOptions(model=str(tiny_llama), cache_dir=tmp_path / "a"))
    expected = ask(whole, requests)
    small = limited(
        tiny_llama,
        tmp_path / "b",
        lambda shape: shape.numel() > 90 or shape[0] > 5,
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.",
    )
    answers = ask(small, requests)
    for mine, theirs in zip(answers, expected, strict=True):
        assert type(mine) is type(theirs)
        if hasattr(mine, "total"):
            assert mine.total == pytest.approx(theirs.total, abs=1e-4)  # type: ignore[union-attr]
        if hasattr(mine, "text"):
            assert mine == theirs


def test_what_was_found_is_remembered_for_the_model(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    calls: list[int] = []

    def above(shape: torch.Size) -> bool:
        calls.append(shape.numel())
        return shape.numel() > 100

    ask(limited(tiny_llama, tmp_path, above, "CUDA out of memory."), SCORES)
    assert max(calls) > 100
    (known,) = json.loads((tmp_path / "batch_sizes.json").read_text()).values()
    assert known["tokens"] <= 128
    calls.clear()
    ask(limited(tiny_llama, tmp_path, above, "CUDA out of memory."), SCORES)
    assert max(calls) <= 2 * known["tokens"]


@pytest.mark.parametrize("requests", [SCORES, TEXTS, VECTORS], ids=["scores", "texts", "vectors"])
def test_one_request_too_large_is_a_clear_error(
    tiny_llama: Path, ask: Ask, tmp_path: Path, requests: list[Request]
) -> None:
    with pytest.raises(BackendError, match="one request alone"):
        ask(limited(tiny_llama, tmp_path, lambda shape: True, "not enough memory"), requests)


@pytest.mark.parametrize("on_gpu", [False, True])
def test_answers_before_a_text_that_is_too_large_are_delivered(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_gpu: bool
) -> None:
    """The long text is in the second part of the texts; on a GPU a batch waits to be read then."""
    monkeypatch.setattr(log_likelihood, "_ENCODED_AT_ONCE", len(SCORES))
    monkeypatch.setattr(Decoder, "on_gpu", on_gpu)
    backend = limited(tiny_llama, tmp_path, lambda shape: shape.numel() > 100, "not enough memory")
    backend._budget._found["tokens"] = 500
    long = LogLikelihood("The", " quick brown fox" * 10)
    encoder = backend._model.encoder
    answered = []
    with pytest.raises(BackendError, match="one request alone"):
        for batch in log_likelihood.log_likelihoods(
            backend._decoder, encoder, [*SCORES, long], backend._budget
        ):
            answered += [place for place, _ in batch]
    assert sorted(answered) == list(range(len(SCORES)))


def test_other_faults_are_not_taken_for_memory(tiny_llama: Path, ask: Ask, tmp_path: Path) -> None:
    backend = limited(tiny_llama, tmp_path, lambda shape: shape.numel() > 50, "a bug")
    with pytest.raises(BackendError, match="failed: a bug"):
        ask(backend, SCORES)


def test_a_broken_file_of_sizes_is_measured_anew(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    (tmp_path / "batch_sizes.json").write_text("{")
    backend = HuggingFaceBackend(BackendOptions(model=str(tiny_llama), cache_dir=tmp_path))
    ask(backend, SCORES[:2])
    assert json.loads((tmp_path / "batch_sizes.json").read_text())


def test_long_prompt_does_not_widen_the_rows_of_the_others(
    tiny_llama: Path, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[int, int]] = []

    class Noted(BufferedSlots):
        def __init__(self, decoder: Any, slots: int, width: int) -> None:
            made.append((slots, width))
            super().__init__(decoder, slots, width)

    short = [Generate(f"The {place}", Sampling(max_new_tokens=8)) for place in range(6)]
    longer = Generate("The quick brown fox " * 8, Sampling(max_new_tokens=8))
    backend = HuggingFaceBackend(BackendOptions(model=str(tiny_llama), cache_dir=tmp_path))
    alone = ask(backend, short)
    monkeypatch.setattr("llmprof.backends.huggingface.generation.BufferedSlots", Noted)
    assert ask(backend, [*short[:3], longer, *short[3:]])[4:] == alone[3:]
    (few, wide), (many, narrow) = made
    assert (few, many) == (1, 6)
    assert narrow < wide / 2


def test_no_room_is_made_for_more_rows_than_there_are(
    tiny_llama: Path, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    class Noted(BufferedSlots):
        def __init__(self, decoder: Any, slots: int, width: int) -> None:
            made.append(slots)
            super().__init__(decoder, slots, width)

    monkeypatch.setattr("llmprof.backends.huggingface.generation.BufferedSlots", Noted)
    ask(HuggingFaceBackend(BackendOptions(model=str(tiny_llama), cache_dir=tmp_path)), TEXTS[:3])
    assert made == [3]
