"""A key shows nowhere when things go wrong: not even in a traceback with its local variables."""

import logging
import traceback

import pytest
from aiohttp import web

from llmprof.backends import Backend, BackendOptions
from llmprof.backends.cohere import CohereBackend
from llmprof.backends.network.retries import RetryPolicy
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.errors import LlmprofError
from llmprof.requests import Generate, Message, Request, Toxicity
from llmprof.responses import Failure
from tests.backends.asking import MemorySink, ask
from tests.servers.running import serve

KEY = "sk-this-key-must-be-seen-nowhere"
ONCE = RetryPolicy(attempts=1, unreachable_attempts=1, first_seconds=0.01)
CHAT = Generate((Message("user", "p"),))
PROVIDERS: list[tuple[type, Request]] = [
    (OpenAIBackend, CHAT),
    (CohereBackend, CHAT),
    (PerspectiveBackend, Toxicity("t", ("TOXICITY",))),
]


def make(kind: type, address: str, monkeypatch: pytest.MonkeyPatch) -> Backend:
    for variable in ("OPENAI_API_KEY", "CO_API_KEY", "PERSPECTIVE_API_KEY"):
        monkeypatch.setenv(variable, KEY)
    backend: Backend = kind(BackendOptions(model="toy", base_url=address), retries=ONCE)
    return backend


@pytest.mark.parametrize(
    ("kind", "request_"), PROVIDERS, ids=lambda value: getattr(value, "name", "")
)
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_key_is_in_no_error_log_or_local_variable(
    kind: type,
    request_: Request,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def refuse(request: web.Request) -> web.Response:
        key = request.headers.get("Authorization") or request.headers.get("x-goog-api-key")
        said = {"error": {"message": f"no: {key} {dict(request.headers)} {request.rel_url}"}}
        return web.json_response(said, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    shown = ""
    with serve(app) as address:
        backend = make(kind, address, monkeypatch)
        shown += f"{backend!r} {backend.identity if kind is not OpenAIBackend else ''}"
        try:
            (outcome,) = ask(backend, [request_], MemorySink())
            assert isinstance(outcome, Failure)
            shown += repr(outcome)
        except LlmprofError as error:
            told = traceback.TracebackException.from_exception(error, capture_locals=True)
            shown += "".join(told.format())
    assert "***" in shown
    assert KEY not in shown
    assert KEY not in caplog.text


@pytest.mark.parametrize("kind", [kind for kind, _ in PROVIDERS])
def test_key_is_in_no_error_about_a_server_that_is_not_there(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = make(kind, "http://127.0.0.1:9", monkeypatch)
    request = next(request for provider, request in PROVIDERS if provider is kind)
    with pytest.raises(LlmprofError) as caught:
        ask(backend, [request], MemorySink())
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert KEY not in "".join(told.format())
