"""Servers that drip, rave and lie: an answer of any shape is a failure or a response, in time."""

import asyncio
import json
import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmprof.backends import BackendOptions
from llmprof.backends.cohere import CohereBackend
from llmprof.backends.network.retries import RequestFault, RetryPolicy
from llmprof.backends.network.server import Secret, Server
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.openai_answers import read_completion, read_embeddings, read_models
from llmprof.backends.openai_logprobs import SCORING_WAYS
from llmprof.backends.toxicity.perspective import PerspectiveBackend, _refusal, _scores
from llmprof.engine import sanitize
from llmprof.requests import Generate, Message, Outcome, Toxicity
from llmprof.responses import Failure
from tests.backends.asking import MemorySink, ask
from tests.servers.running import serve

ONCE = RetryPolicy(attempts=1, unreachable_attempts=1)
SERVER = Server("the server", "http://localhost", Secret("k"), "SOME_KEY")
_NAMES = """
choices text message content usage prompt_tokens completion_tokens logprobs token_logprobs tokens
top_logprobs prompt_logprobs rank logprob decoded_token data index embedding error details errorType
reason attributeScores TOXICITY summaryScore value finish_reason 0 1
"""
NAMES = st.sampled_from(_NAMES.split())
# What Python's parser makes of a server's JSON, which may hold NaN and what is no number at all.
ANSWERS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
READERS: list[Callable[[Any], Any]] = [
    lambda answer: read_completion(answer, SERVER),
    lambda answer: read_embeddings(answer, 2),
    lambda answer: _scores(answer, ("TOXICITY",)),
    *[lambda answer, way=way: way.read(answer).between(1, 2) for way in SCORING_WAYS],
]


def numbers(outcome: Outcome) -> list[float]:
    found = [*getattr(outcome, "vector", ()), *getattr(outcome, "per_token", ())]
    return [*found, *getattr(outcome, "scores", {}).values(), getattr(outcome, "total", 0.0)]


@given(answer=ANSWERS)
def test_answer_of_any_shape_is_understood_or_a_fault(answer: Any) -> None:
    for read in READERS:
        try:
            outcomes = SERVER.understand(lambda read=read: read(answer), "what was asked")
        except RequestFault:
            continue
        for outcome in outcomes if isinstance(outcomes, list) else [outcomes]:
            assert all(map(math.isfinite, numbers(sanitize(outcome))))


@given(answer=ANSWERS)
def test_list_of_models_of_any_shape_is_read(answer: Any) -> None:
    assert all(entry.id for entry in read_models(answer))


@given(body=ANSWERS, status=st.integers(400, 599), wait=st.text(max_size=8))
def test_fault_of_any_shape_has_a_message_of_one_line(body: Any, status: int, wait: str) -> None:
    fault = SERVER.fault(status, {"retry-after": wait}, body)
    assert len(str(fault).splitlines()) == 1
    try:
        _refusal(fault)
    except RequestFault as raised:
        assert str(status) in str(raised)


@pytest.mark.parametrize("status", [200, 429, 500])
@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b"[" * 200_000, b"1" * 10_000, b"null", b'{"a": NaN}']
)
def test_content_of_any_kind_is_json_or_a_fault(content: bytes, status: int) -> None:
    response = httpx.Response(status, content=content)
    try:
        SERVER.read(response)
    except RequestFault:
        return
    assert status == 200


def app_of(handler: Callable[[web.Request], Any]) -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    return app


async def drip(request: web.Request) -> web.StreamResponse:
    """A byte now and then, for ever: no pause is long enough to be a timeout."""
    if request.method == "GET":
        return web.json_response({"data": [{"id": "toy"}]})
    return await drip_always(request)


async def drip_always(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


def test_answer_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", "k")
    monkeypatch.setenv("CO_API_KEY", "k")
    with serve(app_of(drip)) as address:
        options = BackendOptions(model="toy", base_url=address, timeout=0.3)
        for backend, request in (
            (OpenAIBackend(options, retries=ONCE), Generate((Message("user", "p"),))),
            (PerspectiveBackend(options, retries=ONCE), Toxicity("t", ("TOXICITY",))),
            (CohereBackend(options, retries=ONCE), Generate("p")),
        ):
            (outcome,) = ask(backend, [request], MemorySink())
            assert isinstance(outcome, Failure)
            assert outcome.error_class == "Timeout"


def test_probe_that_never_ends_is_given_up() -> None:
    with serve(app_of(drip_always)) as address:
        options = BackendOptions(base_url=address, timeout=0.3)
        backend = OpenAIBackend(options, retries=ONCE)
        with pytest.raises(Exception, match="took too long"):
            _ = backend.model


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(answers=st.lists(ANSWERS | st.binary(max_size=20), min_size=6, max_size=6))
def test_whole_exchange_with_a_raving_server_ends_in_failures_or_answers(
    answers: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", "k")
    left = iter(answers * 10)

    async def rave(request: web.Request) -> web.Response:
        answer = next(left)
        body = (
            answer if isinstance(answer, bytes) else json.dumps(answer).encode("utf-8", "replace")
        )
        return web.Response(body=body, content_type="application/json")

    with serve(app_of(rave)) as address:
        options = BackendOptions(model="toy", base_url=address, timeout=5.0)
        for backend, request in (
            (OpenAIBackend(options, retries=ONCE), Generate((Message("user", "p \ud800"),))),
            (OpenAIBackend(options, retries=ONCE), Generate("p\0")),
            (PerspectiveBackend(options, retries=ONCE), Toxicity("t", ("TOXICITY",))),
        ):
            (outcome,) = ask(backend, [request], MemorySink())
            assert all(map(math.isfinite, numbers(sanitize(outcome))))
