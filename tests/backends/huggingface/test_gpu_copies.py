"""Nothing waits for a GPU between two batches, or between two steps of a completion.

Tensors on PyTorch's `meta` device have no values, so that asking for one is an error: they stand in
for those that a GPU has not computed yet.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface import gpu_copies, log_likelihood
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.gpu_copies import CpuCopies, to_device
from llmprof.backends.huggingface.kv_cache import BufferedSlots
from llmprof.backends.huggingface.sampling import TokenSampler
from llmprof.requests import LogLikelihood, Sampling
from llmprof.responses import TokenLogProbs
from tests.tiny_models import SENTENCES


class Copies(TorchDispatchMode):
    """Notes each copy to or from `meta` and refuses one that waits; what comes back is zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func._overloadpacket is torch.ops.aten.to:
            with self:
                return func.decompose(*args, **kwargs)
        if func is not torch.ops.aten._to_copy.default:
            return func(*args, **kwargs)
        source, target = args[0].device.type, torch.device(kwargs.get("device", "cpu")).type
        if source == target or "device" not in kwargs:
            return func(*args, **kwargs)
        assert kwargs.get("non_blocking"), f"a copy from {source} to {target} waits"
        self.noted.append(f"{source} to {target}")
        if source == "meta":
            return torch.zeros(args[0].shape, dtype=args[0].dtype)
        return func(*args, **kwargs)


@pytest.fixture(autouse=True)
def meta_is_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_copies, "_ORDERED", {"meta"})


@contextmanager
def on_meta(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copies]:
    """The decoder's network on `meta`, after it was tested where it has values."""
    assert decoder.packs_trees and decoder.splits
    decoder._checked_width = decoder._checked_depth = 10_000
    monkeypatch.setattr(Decoder, "on_gpu", True)
    decoder.network.to("meta")
    decoder.device = "meta"
    with Copies() as copies:
        yield copies


def test_batches_are_launched_while_others_are_computed(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = HuggingFaceBackend(BackendOptions(model=str(tiny_llama), cache_dir=tmp_path))
    # Rows without a branch run without a mask, for which transformers itself waits, once a pass.
    requests = [
        LogLikelihood(first, f" {place} {last}")
        for first in SENTENCES
        for place in range(4)
        for last in ("one", "two")
    ]
    backend._budget._found["tokens"] = 100
    encoder = backend._model.encoder
    read: list[int] = []
    whole = CpuCopies.read

    def noted(copies: CpuCopies) -> list[torch.Tensor]:
        read.append(len(made.noted))
        return whole(copies)

    monkeypatch.setattr(CpuCopies, "read", noted)
    with on_meta(backend._decoder, monkeypatch) as made:
        answers = [
            answer
            for batch in log_likelihood.log_likelihoods(
                backend._decoder, encoder, requests, backend._budget
            )
            for answer in batch
        ]
    assert sorted(place for place, _ in answers) == list(range(len(requests)))
    assert all(isinstance(outcome, TokenLogProbs) for _, outcome in answers)
    # Values and likeliest tokens of three batches are on their way when the first is read.
    assert made.noted[: read[0]].count("meta to cpu") == 6


def test_steps_of_a_batch_of_completions_do_not_wait(
    tiny_llama: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = HuggingFaceBackend(BackendOptions(model=str(tiny_llama)))
    decoder = backend._decoder
    with on_meta(decoder, monkeypatch) as made, torch.inference_mode():
        rows = BufferedSlots(decoder, slots=4, width=32)
        rows.add([[1, 2, 3], [4, 5]], [2, 1])
        for _ in range(decoder.steps_at_once):
            logits = decoder.logits(rows.step(torch.empty(3, dtype=torch.long, device="meta")))
        rows.drop([0])
        rows.add([[6, 7]], [2])
    assert len(logits) == 3
    assert "meta to cpu" not in made.noted


@pytest.mark.parametrize(
    "sampling", [Sampling(8), Sampling(8, temperature=0.7), Sampling(8, temperature=1.0, top_k=5)]
)
def test_steps_do_not_wait_for_the_tokens_drawn(sampling: Sampling) -> None:
    with Copies() as made:
        sampler = TokenSampler([sampling] * 3, [1, 2, 3], [0, 0, 0])
        for _ in range(4):
            tokens = sampler.draw(torch.empty((3, 50), device="meta"))
    assert tokens.shape == (3,)
    assert "meta to cpu" not in made.noted


def test_other_devices_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Apple's, from which a copy may be read before it is made."""
    monkeypatch.setattr(gpu_copies, "_ORDERED", {"cuda"})
    values = torch.empty(3, device="meta")
    with Copies(), pytest.raises(AssertionError, match="from meta to cpu waits"):
        CpuCopies(values)
    with Copies(), pytest.raises(AssertionError, match="from cpu to meta waits"):
        to_device(torch.arange(3), "meta")


def test_copies_are_of_the_same_values() -> None:
    values = torch.arange(5)
    assert to_device(values, "cpu").tolist() == [0, 1, 2, 3, 4]
    first, second = CpuCopies(values, values > 2).read()
    assert first.tolist() == [0, 1, 2, 3, 4]
    assert second.tolist() == [False, False, False, True, True]
