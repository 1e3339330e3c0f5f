"""Addresses, keys, proxies and answers of servers: what cannot work is one line."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends import BackendOptions
from llmprof.backends.cohere import CohereBackend
from llmprof.backends.network.retries import (
    FatalFault,
    RequestFault,
    RetryPolicy,
    retry_after_seconds,
)
from llmprof.backends.network.server import Server, secret_from_environment
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.openai_answers import ListedModel
from llmprof.backends.toxicity.moderation import ModerationBackend
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.errors import BackendError, LlmprofError, UsageError
from llmprof.requests import Generate, Message
from llmprof.responses import Completion, Failure
from tests.backends.asking import MemorySink, ask
from tests.servers.cohere import KEY as COHERE_KEY
from tests.servers.cohere import CohereServer
from tests.servers.openai import OpenAIServer
from tests.servers.running import serve

CHAT = Generate((Message("user", "p"),))
QUICK = RetryPolicy(attempts=2, unreachable_attempts=1, invalid_attempts=2, first_seconds=0.01)
PROXIES = ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost:8000",
        "ftp://localhost",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "http://[::1",
        "http://[v1.x]/",
        "http://localhost:99999",
        "http://localhost:port",
        "http://exa mple",
        "http://a\x00b",
        "http://\u202elocalhost",
        "http://xn--\ud800",
        "http://-\u2603-.\u0130\u0130",
        "http://" + "a" * 100_000,
        "http://user:secret@localhost",
        "http://localhost/v1?key=secret",
        "http://localhost/v1#secret",
    ],
)
def test_odd_address_is_one_line(address: str) -> None:
    with pytest.raises(LlmprofError) as caught:
        _ = OpenAIBackend(BackendOptions(base_url=address, timeout=1), retries=QUICK).model
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["", " "])
@pytest.mark.parametrize(
    "create", [OpenAIBackend, CohereBackend, PerspectiveBackend, ModerationBackend]
)
def test_an_empty_address_is_not_the_providers_own(
    create: Callable[[BackendOptions], Any], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CO_API_KEY", "secret")
    with pytest.raises(UsageError, match="the address of"):
        create(BackendOptions(model="m", base_url=address))


@given(st.text(max_size=30))
def test_any_address_is_taken_or_refused(text: str) -> None:
    for address in (text, f"http://{text}", f"http://localhost:{text}", f"http://[{text}]"):
        server = Server("the server", address, None, "SOME_KEY")
        try:
            server.check_address(offline=False)
        except UsageError:
            continue
        assert server.host


@pytest.mark.parametrize(
    "key",
    ["\u201csk-secret\u201d", "sk-secret\u2019", "sk secret", "sk\nsecret", "sk-secret\x7f", "clé"],
)
def test_key_that_cannot_be_sent_is_refused_without_being_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(UsageError, match="SOME_KEY holds characters") as caught:
        secret_from_environment("SOME_KEY")
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("0.0.0.0", True),
        ("[::1]", True),
        ("[::]", True),
        ("[::ffff:127.0.0.1]", True),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("[::ffff:10.0.0.1]", False),
        ("127.0.0.1.example.com", False),
    ],
)
def test_offline_allows_this_machine_alone(host: str, local: bool) -> None:
    server = Server("the server", f"http://{host}:8000/v1", None, "SOME_KEY")
    assert server.is_local == local
    if local:
        server.check_address(offline=True)
    else:
        with pytest.raises(UsageError, match="--offline"):
            server.check_address(offline=True)


class ProxyServer:
    """Keeps the headers of all that reaches it."""

    def __init__(self) -> None:
        self.met: list[dict[str, str]] = []

    def app(self) -> web.Application:
        async def meet(request: web.Request) -> web.Response:
            self.met.append(dict(request.headers))
            return web.json_response({"data": [{"id": "of the proxy"}]})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", meet)
        return app


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProxyServer]:
    server = ProxyServer()
    with serve(server.app()) as address:
        for name in ("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, address)
            monkeypatch.setenv(name.lower(), address)
        yield server


@pytest.mark.parametrize("offline", [False, True])
def test_no_request_to_this_machine_passes_a_proxy(
    proxy: ProxyServer, offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CO_API_KEY", COHERE_KEY)
    with serve(OpenAIServer().app()) as address, serve(CohereServer().app()) as other:
        openai = OpenAIBackend(BackendOptions(base_url=f"{address}/v1", offline=offline))
        cohere = CohereBackend(BackendOptions(model="m", base_url=other, offline=offline))
        assert Generate in openai.capabilities
        for backend in (openai, cohere):
            (outcome,) = ask(backend, [CHAT], MemorySink())
            assert isinstance(outcome, Completion)
    assert proxy.met == []


def test_other_servers_are_reached_through_the_proxy(proxy: ProxyServer) -> None:
    backend = OpenAIBackend(BackendOptions(base_url="http://models.example/v1"))
    assert backend.model == "of the proxy"
    assert len(proxy.met) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ALL_PROXY", "socks5://user:secret@127.0.0.1:1080"),
        ("HTTP_PROXY", "socks4://127.0.0.1:1080"),
        ("HTTP_PROXY", "gopher://127.0.0.1"),
        ("HTTP_PROXY", "http://[::1"),
        ("SSL_CERT_FILE", "/no/such/file"),
    ],
)
def test_proxy_or_certificate_that_cannot_be_used_is_one_line(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("CO_API_KEY", "k")
    options = BackendOptions(model="m", base_url="http://models.example", timeout=0.5)
    with pytest.raises(UsageError, match=r"ALL_PROXY|SSL_CERT_FILE") as caught:
        _ = OpenAIBackend(options, retries=QUICK).capabilities
    assert len(str(caught.value).splitlines()) == 1
    assert "secret" not in str(caught.value)
    with pytest.raises(UsageError, match=r"ALL_PROXY|SSL_CERT_FILE"):
        ask(CohereBackend(options, retries=QUICK), [CHAT], MemorySink())


@given(st.text(max_size=40) | st.integers().map(str) | st.floats().map(str))
def test_any_time_to_wait_is_read_or_ignored(value: str) -> None:
    seconds = retry_after_seconds(value, datetime(2026, 1, 1, tzinfo=UTC))
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    "value",
    [
        "9" * 5000,
        "1e400",
        "-5",
        "٣",
        "NaN",
        "inf",
        "0x10",
        "Thu, 01 Jan 0000 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Thu, 01 Jan 99999 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 +99999999999",
        "Mon, 01 Jan 2026 99:99:99 GMT",
    ],
)
def test_absurd_time_to_wait_ends_in_a_failure(value: str) -> None:
    async def refuse(request: web.Request) -> web.Response:
        return web.json_response({"error": "no"}, status=429, headers={"Retry-After": value})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    with serve(app) as address:
        options = BackendOptions(model="toy", base_url=address)
        backend = OpenAIBackend(options, retries=QUICK)
        backend.__dict__["_served"] = ListedModel(id="toy")
        (outcome,) = ask(backend, [CHAT], MemorySink())
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "RateLimited"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirection_is_not_followed_and_says_where_it_points(status: int) -> None:
    met = ProxyServer()
    with serve(met.app()) as elsewhere:

        async def move(request: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": f"{elsewhere}/v1"})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", move)
        with serve(app) as address, pytest.raises(BackendError, match=elsewhere):
            _ = OpenAIBackend(BackendOptions(base_url=address)).model
    assert met.met == []


DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"choices": "\xff"}',
        DEEP,
        b'{"choices": [], "more": ' + DEEP + b"}",
        b'{"choices": [], "more": NaN}',
        b'{"choices": [], "more": -Infinity}',
        b'{"choices": [], "more": ' + b"9" * 5000 + b"}",
        b"null",
        b"3",
        b'"text"',
        b"[]",
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "hex", "utf-7", "nonsense"])
def test_content_that_is_no_answer_is_a_failure(content: bytes, charset: str) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": [{"id": "toy", "root": "/toy"}]})
        headers = {"Content-Type": f"application/json; charset={charset}"}
        return web.Response(body=content, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with serve(app) as address:
        backend = OpenAIBackend(BackendOptions(base_url=address), retries=QUICK)
        (outcome,) = ask(backend, [CHAT], MemorySink())
        assert backend.capabilities == {Generate}
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "InvalidResponse"
    assert outcome.message.isprintable()


@pytest.mark.parametrize("body", [DEEP, b"\xff", b"", b'{"error": {"message": {"a": [NaN]}}}'])
@pytest.mark.parametrize("status", [400, 500, 600])
def test_error_with_any_content_is_a_failure(body: bytes, status: int) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": [{"id": "toy"}]})
        headers = {"Content-Type": "application/json; charset=hex"}
        return web.Response(body=body, status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with serve(app) as address:
        backend = OpenAIBackend(BackendOptions(base_url=address), retries=QUICK)
        (outcome,) = ask(backend, [CHAT], MemorySink())
    assert isinstance(outcome, Failure)
    assert str(status) in outcome.message


@pytest.mark.parametrize("root", [float("nan"), {"a": 1}, [float("inf")], 3, None])
def test_origin_of_a_model_of_another_type_is_left_out(root: Any) -> None:
    async def answer(request: web.Request) -> web.Response:
        text = json.dumps({"data": [{"id": "toy", "root": root}]})
        return web.Response(text=text, content_type="application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with serve(app) as address:
        options = BackendOptions(model="toy", base_url=address)
        assert OpenAIBackend(options, retries=QUICK).identity["root"] is None


def test_redirection_is_fatal() -> None:
    server = Server("the server", "http://localhost", None, "SOME_KEY")
    fault = server.moved(301, {})
    assert isinstance(fault, FatalFault)
    assert "an unknown place" in str(fault)


SERVER = Server("the server", "http://here/v1", None, "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("status", "error", "name", "fatal"),
    [
        (403, {"message": "Invalid key"}, "KeyRefused", True),
        (403, {"message": "Moderation: the input was flagged"}, "PromptRefused", False),
        (402, {"message": "Insufficient Balance"}, "NoCredit", True),
        (429, {"message": "No quota left", "code": "insufficient_quota"}, "NoCredit", True),
        (429, {"message": "Slow down", "code": "rate_limit_exceeded"}, "RateLimited", False),
    ],
)
def test_what_a_refusal_is_about(status: int, error: object, name: str, fatal: bool) -> None:
    fault = SERVER.fault(status, {}, {"error": error})
    assert (fault.error_class, isinstance(fault, FatalFault)) == (name, fatal)
    assert fault.status == status
    assert ("check the model's name" in str(fault)) is False


@pytest.mark.parametrize(
    ("message", "is_of_the_model"),
    [
        ("Invalid model name passed in model=gpt-9. Call `/v1/models` to view them", True),
        ("nobody/nothing is not a valid model ID", True),
        ("The model `nothing` does not exist", True),
        ("unknown model: nothing", True),
        ("This model's maximum context length is 8192 tokens", False),
        ("Unsupported parameter: 'top_k' is not supported with this model", False),
        ("The prompt is not valid", False),
    ],
)
def test_a_model_that_is_not_there_is_not_asked_for_every_prompt(
    message: str, is_of_the_model: bool
) -> None:
    fault = SERVER.fault(400, {}, {"error": {"message": message}})
    assert isinstance(fault, FatalFault) == is_of_the_model
    assert fault.error_class == ("NotFound" if is_of_the_model else "RequestRefused")
    assert ("check the model's name" in str(fault)) == is_of_the_model


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b'{"error": {"code": 502, "message": "model overloaded"}}', "ServerError", "overloaded"),
        (b'{"error": {"code": 403, "message": "No access"}}', "KeyRefused", "No access"),
        (b'{"error": "Unexpected endpoint"}', "InvalidResponse", "Unexpected endpoint"),
        (b"\n<!doctype html><title>Chat</title>", "InvalidResponse", "check the address"),
    ],
)
def test_an_error_with_status_200_is_told_in_the_servers_words(
    content: bytes, kind: str, words: str
) -> None:
    with pytest.raises(RequestFault, match=words) as told:
        SERVER.read(httpx.Response(200, content=content))
    assert told.value.error_class == kind


def test_an_answer_with_an_empty_error_is_an_answer() -> None:
    body = {"choices": [], "error": None}
    assert SERVER.read(httpx.Response(200, json=body)) == body
    whole = {"choices": [{"text": "a"}], "error": {"message": "a warning"}}
    assert SERVER.read(httpx.Response(200, json=whole)) == whole
