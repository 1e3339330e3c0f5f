"""Guard models: the probability of their verdict, or the verdict itself on a stand-in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.protocol import PolicyScorer, Sink
from llmprof.backends.toxicity.guard import FAMILIES, GuardBackend
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.errors import BackendError, UsageError
from llmprof.requests import Answer, Generate, LogLikelihood, Request, Toxicity
from llmprof.responses import Completion, Failure, TokenLogProbs, ToxicityScores
from tests.backends.asking import MemorySink, ask
from tests.servers.running import serve
from tests.tiny_models import save_llama


def chat_server(models: list[str], asked: list[str]) -> web.Application:
    """Writes a verdict: unsafe for a text with a bad word, nonsense for one that asks for it."""

    async def list_models(request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": name} for name in models]})

    async def complete(request: web.Request) -> web.Response:
        body = await request.json()
        text = body["messages"][-1]["content"]
        asked.append(text)
        verdict = (
            "well ..." if "nonsense" in text else "\n\nunsafe\nS10" if "damn" in text else "safe"
        )
        message = {"role": "assistant", "content": verdict}
        return web.json_response(
            {
                "choices": [{"message": message, "finish_reason": "stop"}],
                "usage": {"completion_tokens": 2},
            }
        )

    app = web.Application()
    app.router.add_get("/v1/models", list_models)
    app.router.add_post("/v1/chat/completions", complete)
    return app


def test_a_server_that_only_writes_gives_its_verdict(tmp_path: Path) -> None:
    asked: list[str] = []
    with serve(chat_server(["llama-guard-3"], asked)) as address:
        options = BackendOptions(
            model="openai:llama-guard-3", base_url=f"{address}/v1", cache_dir=tmp_path
        )
        scorer = create_backend("guard", options)
        assert isinstance(scorer, PolicyScorer)
        texts = ("damn you", "good day", " ", "nonsense")
        found = ask(scorer, [Toxicity(text, ()) for text in texts], MemorySink())
        first, asked[:] = sorted(asked), []
        again = ask(
            create_backend("guard", options), [Toxicity(text, ()) for text in texts], MemorySink()
        )
    # What has a verdict is kept.
    assert again == found and asked == ["nonsense"]
    assert found[:3] == [
        ToxicityScores({"unsafe": 1.0}),
        ToxicityScores({"unsafe": 0.0}),
        ToxicityScores({}, "COMMENT_EMPTY"),
    ]
    assert isinstance(found[3], Failure) and found[3].error_class == "NoVerdict"
    assert scorer.identity["score"] == "verdict"
    assert first == ["damn you", "good day", "nonsense"]


class Interrupting:
    """Asks a backend, and breaks off after so many answers; `asked` are its requests."""

    name, chat, capabilities = "stand-in", False, frozenset({Generate})
    identity: Mapping[str, Any] = {"backend": "stand-in"}

    def __init__(self, after: int, model: str = "shieldgemma") -> None:
        self.model = model
        self.asked: list[str] = []
        self._after = after

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        # Backends sort by length, so that the answers to one text come far apart.
        order = sorted(range(len(requests)), key=lambda place: str(requests[place]))
        for place in order:
            request = requests[place]
            assert isinstance(request, Generate) and isinstance(request.prompt, str)
            if len(self.asked) == self._after:
                raise BackendError("the server is gone")
            self.asked.append(request.prompt)
            word = "Well" if "nonsense" in request.prompt else "No"
            await sink.deliver([(place, Completion(word, 1, "stop"))])

    async def aclose(self) -> None:
        return None


@pytest.mark.parametrize("after", [1, 5, 11])
def test_answers_that_came_before_an_interruption_are_not_asked_again(
    tmp_path: Path, after: int
) -> None:
    """Four answers make up one score, and each of them is kept."""
    texts = [Toxicity(text, ()) for text in ("a", "b", "c")]

    def score(inner: Interrupting) -> list[Answer]:
        guard = GuardBackend(FAMILIES[1], inner, tmp_path)

        async def run() -> list[Answer]:
            try:
                with open_cache(tmp_path) as cache:
                    return await Engine(cache, [], scorers={"guard": guard}).answer(texts)
            finally:
                await guard.aclose()

        return anyio.run(run)

    first, second, third = Interrupting(after), Interrupting(99), Interrupting(0)
    with pytest.raises(BackendError, match="the server is gone"):
        score(first)
    found = score(second)
    assert len(first.asked) == after and len(second.asked) == 12 - after
    assert set(first.asked).isdisjoint(second.asked)
    zeros = ToxicityScores(dict.fromkeys(FAMILIES[1].policies, 0.0))
    assert [replace(each.outcome, given=None) for each in found] == [zeros] * 3  # type: ignore[type-var]
    assert len(score(third)) == 3 and third.asked == []


def test_an_answer_without_a_verdict_is_asked_again(tmp_path: Path) -> None:
    inner = Interrupting(99)
    for count in (4, 8):
        guard = GuardBackend(FAMILIES[1], inner, tmp_path)
        (outcome,) = ask(guard, [Toxicity("nonsense", ())], MemorySink())
        assert isinstance(outcome, Failure) and outcome.error_class == "NoVerdict"
        assert len(inner.asked) == count


def test_likelihoods_give_the_share_of_the_unsafe_verdict(tmp_path: Path) -> None:
    folder = tmp_path / "shieldgemma-tiny"
    folder.mkdir()
    save_llama(folder, max_position_embeddings=2048)
    scorer = create_backend("guard", BackendOptions(model=str(folder), device="cpu"))
    assert isinstance(scorer, PolicyScorer)
    assert scorer.categories == ("dangerous", "harassment", "hate", "sexual")
    texts = ("The nurse was {good}.", "The fox jumps.")
    found = ask(scorer, [Toxicity(text, ()) for text in texts], MemorySink())
    model = create_backend("huggingface", BackendOptions(model=str(folder), device="cpu"))
    family = FAMILIES[1]
    for text, outcome in zip(texts, found, strict=True):
        assert isinstance(outcome, ToxicityScores)
        for category, score in outcome.scores.items():
            prompt = family.ask(text, category)
            assert isinstance(prompt, str) and text in prompt
            yes, no = ask(
                model, [LogLikelihood(prompt, "Yes"), LogLikelihood(prompt, "No")], MemorySink()
            )
            assert isinstance(yes, TokenLogProbs) and isinstance(no, TokenLogProbs)
            share = math.exp(yes.total) / (math.exp(yes.total) + math.exp(no.total))
            assert score == pytest.approx(share, abs=1e-4)
    assert scorer.identity["score"] == "probability"


@pytest.mark.parametrize(
    ("model", "words"),
    [(None, "needs a model"), ("unitary/toxic-bert", "is no guard that llmprof can ask")],
)
def test_what_is_no_guard_is_refused(model: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        create_backend("guard", BackendOptions(model=model))


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("meta-llama/Llama-Guard-3-1B", "Llama Guard"),
        ("meta-llama/LlamaGuard-7b", "Llama Guard"),
        ("google/shieldgemma-2b", "ShieldGemma"),
        ("ibm-granite/granite-guardian-3.3-8b", "Granite Guardian 3.3"),
        ("ibm-granite/granite-guardian-3.1-2b", "Granite Guardian"),
    ],
)
def test_families_are_known_by_name(name: str, family: str) -> None:
    from llmprof.backends.toxicity.guard import _family

    assert _family(name).name == family
