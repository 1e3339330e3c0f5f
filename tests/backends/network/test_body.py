"""A response is read up to a bound, compressed or not, and the rest is never held."""

import gzip
import resource
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from llmprof.backends import Backend, BackendOptions
from llmprof.backends.cohere import CohereBackend
from llmprof.backends.network.retries import RetryPolicy
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.errors import BackendError
from llmprof.requests import Generate, Message, Request, Toxicity
from llmprof.responses import Completion, Failure
from tests.backends.asking import MemorySink, ask
from tests.servers.running import serve

QUICK = RetryPolicy(attempts=2, invalid_attempts=2, first_seconds=0.01)
CHAT = Generate((Message("user", "p"),))
PROVIDERS: list[tuple[Callable[..., Backend], Request]] = [
    (OpenAIBackend, CHAT),
    (CohereBackend, CHAT),
    (PerspectiveBackend, Toxicity("t", ("TOXICITY",))),
]
MIB = 2**20


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "CO_API_KEY", "PERSPECTIVE_API_KEY"):
        monkeypatch.setenv(name, "k")


class BombServer:
    """Answers every POST with `body` in the encoding `encoding`; counts them in `asked`."""

    def __init__(self, body: bytes, encoding: str | None = None) -> None:
        self.asked = 0
        self._body = body
        self._headers = {"Content-Type": "application/json"}
        if encoding:
            self._headers["Content-Encoding"] = encoding

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._models)
        app.router.add_post("/{path:.*}", self._answer)
        return app

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"data": [{"id": "toy"}]})

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(body=self._body, headers=self._headers)


def only(kind: Callable[..., Backend], request: Request, server: BombServer, **options: Any) -> Any:
    with serve(server.app()) as address:
        given = BackendOptions(model="toy", base_url=address, **options)
        (outcome,) = ask(kind(given, retries=QUICK), [request], MemorySink())
    return outcome


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "request_"), PROVIDERS)
def test_bomb_is_a_failure_that_takes_no_memory(
    kind: Callable[..., Backend], request_: Request
) -> None:
    """1 GiB of blanks in 1 MB of gzip: a thousand times the bound."""
    squeeze = zlib.compressobj(9, wbits=31)
    blanks = b" " * MIB
    bomb = b"".join(squeeze.compress(blanks) for _ in range(1024)) + squeeze.flush()
    server = BombServer(bomb, "gzip")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = only(kind, request_, server, max_response_mib=1)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "ResponseTooLarge"
    assert "--max-response-mib" in outcome.message
    assert server.asked == 1
    assert grown * (1 if sys.platform == "darwin" else 1024) < 100 * MIB


@pytest.mark.parametrize("size", [MIB, MIB + 1])
@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_bound_holds_to_the_byte(size: int, encoding: str | None) -> None:
    answer = b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}'
    body = answer + b" " * (size - len(answer))
    server = BombServer(gzip.compress(body) if encoding else body, encoding)
    outcome = only(OpenAIBackend, CHAT, server, max_response_mib=1)
    if size <= MIB:
        assert outcome == Completion("Hi", None, "stop")
    else:
        assert isinstance(outcome, Failure)
        assert outcome.error_class == "ResponseTooLarge"


@pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip", "x" * 500, "gzip"])
def test_body_that_cannot_be_decompressed_is_a_failure(encoding: str) -> None:
    outcome = only(OpenAIBackend, CHAT, BombServer(b"\x00\x01{}", encoding))
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "InvalidResponse"
    assert len(outcome.message) < 200


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    await response.write(b'{"data": [')
    while True:
        await response.write(b'{"id": "model"},' * 4096)


def test_endless_list_of_models_is_one_line() -> None:
    app = web.Application()
    app.router.add_get("/{path:.*}", endless)
    with serve(app) as address:
        backend = OpenAIBackend(BackendOptions(base_url=address, max_response_mib=2))
        with pytest.raises(BackendError, match="more than 2 MiB") as caught:
            _ = backend.model
    assert len(str(caught.value).splitlines()) == 1
