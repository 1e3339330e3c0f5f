"""Answers that an earlier llmprof may have cached wrongly are asked again, and no others."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from transformers import BertConfig, BertLMHeadModel

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.cache import ResponseCache, open_cache, request_key
from llmprof.engine import Engine
from llmprof.errors import UsageError
from llmprof.requests import Embed, Generate, LogLikelihood, Request, Response, Sampling
from llmprof.responses import Completion, Embedding, TokenLogProbs
from tests.tiny_models import byte_tokenizer

LIKELIHOOD = LogLikelihood("The men", " were")
SCORED = TokenLogProbs(-1.0, (-1.0,), False)


def backend(folder: Path, cache: Path) -> HuggingFaceBackend:
    return HuggingFaceBackend(BackendOptions(model=str(folder), dtype="fp32", cache_dir=cache))


def answer_as_before(
    cache: ResponseCache,
    monkeypatch: pytest.MonkeyPatch,
    local: HuggingFaceBackend,
    answers: Sequence[tuple[Request, Response]],
) -> None:
    """Store answers as an earlier version did: by the model's identity, in its entries."""
    with monkeypatch.context() as patched:
        patched.setattr("llmprof.cache.storage._ENTRY_VERSION", 1)
        entries = [(request_key(local.identity, request), request, old) for request, old in answers]
        cache.put_many(local.model, entries)


def test_only_a_prompt_that_was_cut_is_asked_again(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long, short = Generate("The men " * 90, Sampling(250)), Generate("The men", Sampling(4))
    local = backend(tiny_llama, tmp_path)
    cut, whole = Completion("wrong", 2, "stop", 180), Completion("old", 4, "length")
    scores_cut = TokenLogProbs(-1.0, (-1.0,), False, truncated_tokens=9)
    with open_cache(tmp_path) as cache:
        kept = [(short, whole), (LIKELIHOOD, scores_cut)]
        answer_as_before(cache, monkeypatch, local, [(long, cut), *kept])
        engine = Engine(cache, [local])
        requests = [long, short, LIKELIHOOD]
        assert engine.cached(requests) == [None, whole, scores_cut]
        answers = anyio.run(engine.answer, requests)
        fresh = answers[0].outcome
        assert isinstance(fresh, Completion) and fresh.truncated_tokens not in (0, 180)
        assert engine.cached(requests) == [fresh, whole, scores_cut]


def test_only_stops_that_hold_a_special_token_are_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.backends.huggingface.test_generation import special_stops

    local = backend(special_stops(tmp_path / "model"), tmp_path)
    old = Completion("old", 4, "length")
    unseen = [Generate("a", Sampling(4, stop=stop)) for stop in (("<stop>",), ("x", "y<stop>"))]
    seen = [
        Generate("a", Sampling(4, stop=stop))
        for stop in ((), ("\n",), ("<|endoftext|>",), ("<sto",))
    ]
    with open_cache(tmp_path) as cache:
        answers = [(request, old) for request in (*unseen, *seen)]
        answer_as_before(cache, monkeypatch, local, answers)
        engine = Engine(cache, [local])
        assert engine.cached(unseen) == [None, None]
        assert engine.cached(seen) == [old] * len(seen)


def bert(folder: Path, *, decoder: bool) -> Path:
    """A BERT that is saved as a causal model; without `decoder` it sees later tokens."""
    size = len(byte_tokenizer(folder))
    settings = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=size, intermediate_size=32, is_decoder=decoder, initializer_range=0.3, **settings
    )
    BertLMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("decoder", [True, False])
def test_scores_of_models_that_may_be_bidirectional_are_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoder: bool
) -> None:
    local = backend(bert(tmp_path / "bert", decoder=decoder), tmp_path)
    embedding = Embedding((1.0,))
    with open_cache(tmp_path) as cache:
        answers = [(LIKELIHOOD, SCORED), (Embed("a"), embedding)]
        answer_as_before(cache, monkeypatch, local, answers)
        engine = Engine(cache, [local])
        assert engine.cached([LIKELIHOOD, Embed("a")]) == [None, embedding]
        if decoder:
            (answer,) = anyio.run(engine.answer, [LIKELIHOOD])
            assert isinstance(answer.outcome, TokenLogProbs) and answer.outcome != SCORED
            assert engine.cached([LIKELIHOOD]) == [answer.outcome]
        else:
            with pytest.raises(UsageError, match="is not causal"):
                anyio.run(engine.answer, [LIKELIHOOD])


def test_a_causal_model_keeps_its_scores(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = backend(tiny_llama, tmp_path)
    with open_cache(tmp_path) as cache:
        answer_as_before(cache, monkeypatch, local, [(LIKELIHOOD, SCORED)])
        assert Engine(cache, [local]).cached([LIKELIHOOD]) == [SCORED]
