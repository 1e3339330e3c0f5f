"""Log-likelihoods equal those of plain forward passes, however sequences are packed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface import log_likelihood
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.requests import LogLikelihood
from llmprof.responses import Failure, TokenLogProbs
from tests.backends.conftest import Ask
from tests.backends.huggingface.causal_models import save
from tests.tiny_models import FLOAT32_NOISE, SENTENCES

WORDS = st.lists(st.sampled_from(["the", "men", "women", "good", "a", "é", "city"]), max_size=5)
REQUESTS = st.lists(
    st.builds(
        LogLikelihood,
        WORDS.map(" ".join),
        WORDS.filter(len).map(lambda words: " " + " ".join(words)),
    ),
    min_size=1,
    max_size=12,
)


def backend(folder: Path, **options: Any) -> HuggingFaceBackend:
    made = create_backend("huggingface", BackendOptions(model=str(folder), dtype="fp32", **options))
    assert isinstance(made, HuggingFaceBackend)
    return made


def plain(local: HuggingFaceBackend, request: LogLikelihood) -> tuple[list[float], bool]:
    """Values of each token and whether all are the likeliest: one sequence, the whole network."""
    model = local._model
    head = model.tokenizer(request.context).input_ids or [model.tokenizer.bos_token_id]
    both = model.tokenizer(request.context + request.continuation).input_ids
    ids = torch.tensor([head + both if not request.context else both])
    with torch.no_grad():
        scores = model.network(ids).logits[0].log_softmax(-1)
    places = range(len(head), ids.shape[1])
    values = [float(scores[place - 1, ids[0, place]]) for place in places]
    return values, all(int(scores[place - 1].argmax()) == ids[0, place] for place in places)


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(requests=REQUESTS)
@pytest.mark.parametrize("batch_size", [None, 3])
def test_equal_to_a_plain_forward_pass(
    tiny_llama: Path, ask: Ask, tmp_path: Path, batch_size: int | None, requests: list[Any]
) -> None:
    local = backend(tiny_llama, batch_size=batch_size, cache_dir=tmp_path)
    assert local._decoder.packs_trees
    for request, outcome in zip(requests, ask(local, requests), strict=True):
        values, greedy = plain(local, request)
        assert isinstance(outcome, TokenLogProbs)
        assert outcome.per_token == pytest.approx(values, abs=FLOAT32_NOISE)
        assert outcome.total == pytest.approx(sum(values), abs=FLOAT32_NOISE)
        assert outcome.is_greedy == greedy


@pytest.mark.parametrize(
    ("kind", "trees"),
    [
        ("gpt2", True),
        ("gemma2", True),
        ("mistral_window", True),
        ("bloom", False),
        ("mamba", False),
    ],
)
def test_every_architecture_is_scored_as_it_is_alone(
    tmp_path: Path, ask: Ask, kind: str, trees: bool
) -> None:
    """Learned positions, capped logits, a window of 18 tokens, ALiBi, no attention at all."""
    local = backend(save(kind, tmp_path / "model"), cache_dir=tmp_path)
    assert local._decoder.packs_trees == trees
    requests = [LogLikelihood("", text) for text in SENTENCES]
    requests += [LogLikelihood(SENTENCES[0][:9], text) for text in (" fox", " fox jumps", " lazy")]
    for request, outcome in zip(requests, ask(local, requests), strict=True):
        assert isinstance(outcome, TokenLogProbs)
        assert outcome.per_token == pytest.approx(plain(local, request)[0], abs=FLOAT32_NOISE)


def test_order_and_batch_size_change_nothing_but_rounding(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    requests = [LogLikelihood(first, " " + last) for first in SENTENCES for last in SENTENCES]
    totals = []
    for size, step in ((None, 1), (1, 1), (5, -1)):
        answers = ask(backend(tiny_llama, batch_size=size, cache_dir=tmp_path), requests[::step])
        totals.append([each.total for each in answers][::step])
    assert totals[1] == pytest.approx(totals[0], abs=FLOAT32_NOISE)
    assert totals[2] == pytest.approx(totals[0], abs=FLOAT32_NOISE)


def test_batches_of_a_gpu_give_the_same_values(
    tiny_llama: Path, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is computed while the one before is read, a part of the texts is tokenized while the
    one before is computed, and rows that need much padding are apart."""
    requests = [
        LogLikelihood(first * times, " " + last)
        for times in (1, 2, 5)
        for first in SENTENCES
        for last in SENTENCES
    ]
    expected = ask(backend(tiny_llama, cache_dir=tmp_path), requests)
    monkeypatch.setattr(Decoder, "on_gpu", True)
    monkeypatch.setattr(Decoder, "padding_limit", 20.0)
    monkeypatch.setattr(log_likelihood, "_ENCODED_AT_ONCE", 31)
    local = backend(tiny_llama, cache_dir=tmp_path)
    local._budget._found["tokens"] = 2_000
    shapes: list[torch.Size] = []
    embeddings = local._model.network.get_input_embeddings()
    assert local._decoder.packs_trees and local._decoder._rounding < FLOAT32_NOISE
    embeddings.register_forward_pre_hook(lambda module, inputs: shapes.append(inputs[0].shape))
    answers = ask(local, requests)
    for one, other in zip(answers, expected, strict=True):
        assert isinstance(one, TokenLogProbs) and isinstance(other, TokenLogProbs)
        assert one.per_token == pytest.approx(other.per_token, abs=FLOAT32_NOISE)
    assert sum(rows > 1 for rows, _ in shapes) > 2


def test_long_contexts_lose_their_beginning_and_say_so(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    local = backend(tiny_llama, cache_dir=tmp_path)
    limit = local._decoder.longest_input
    context = " ".join(SENTENCES * 20)
    head = local._model.tokenizer(context).input_ids
    tail = local._model.tokenizer(" fox").input_ids
    assert limit is not None
    (outcome,) = ask(local, [LogLikelihood(context, " fox")])
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.truncated_tokens == len(head) + len(tail) - limit - 1
    ids = torch.tensor([(head + tail)[-limit - 1 : -1]])
    with torch.no_grad():
        scores = local._model.network(ids).logits[0, -1].log_softmax(-1)
    assert outcome.per_token[-1] == pytest.approx(float(scores[tail[-1]]), abs=FLOAT32_NOISE)


def test_continuations_that_cannot_be_scored_are_failures(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    local = backend(tiny_llama, cache_dir=tmp_path)
    too_long = " ".join(SENTENCES * 20)
    empty, long, fine = ask(
        local, [LogLikelihood("a", ""), LogLikelihood("a", too_long), LogLikelihood("a", " b")]
    )
    assert isinstance(empty, Failure) and empty.error_class == "EmptyContinuation"
    assert isinstance(long, Failure) and long.error_class == "ContinuationTooLong"
    assert isinstance(fine, TokenLogProbs)


def test_blanks_that_end_a_context_belong_to_the_continuation(
    tiny_llama: Path, ask: Ask, tmp_path: Path
) -> None:
    local = backend(tiny_llama, cache_dir=tmp_path)
    ours, expected = ask(
        local, [LogLikelihood("a good ", "nurse"), LogLikelihood("a good", " nurse")]
    )
    assert ours == expected
