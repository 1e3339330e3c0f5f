"""The OpenAI backend against a stand-in; a real server is in tests/integration."""

from functools import partial

import anyio
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from llmprof.backends import BackendOptions
from llmprof.backends.network.retries import InvalidFault, RetryPolicy
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.openai_logprobs import PROBE
from llmprof.backends.thinking import SWITCHES
from llmprof.errors import BackendError, UnknownNameError, UsageError
from llmprof.requests import Embed, Generate, LogLikelihood, Message, Outcome, Sampling
from llmprof.responses import Completion, Embedding, Failure, TokenLogProbs
from tests.backends.asking import MemorySink, ask
from tests.servers.faults import FAULTS, inject_faults
from tests.servers.openai import KEY, OpenAIServer, ScoredToken, said, toy_scorer, unit
from tests.servers.running import serve

QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.1)
SAMPLING = Sampling(max_new_tokens=20, temperature=0.7, top_p=0.9)


def backend(address: str, **options: object) -> OpenAIBackend:
    given = {"base_url": f"{address}/v1", "timeout": 1.0, **options}
    return OpenAIBackend(BackendOptions(**given), retries=QUICK)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_messages_are_chat_and_text_is_completions() -> None:
    server = OpenAIServer()
    chat = Generate((Message("system", "Be brief."), Message("user", "Hi")), SAMPLING)
    text = Generate("Once", Sampling(max_new_tokens=5, top_k=3, stop=(".",)))
    with serve(server.app()) as address:
        outcomes = ask(backend(address), [chat, text], MemorySink(), seeds=[2**63 - 1, 1])
    seed = (2**63 - 1) % 2**31
    assert outcomes == [
        Completion(said("Hi", seed), 3, "stop"),
        Completion(said("Once", 1), 1, "length"),
    ]
    bodies = dict(server.asked)
    assert bodies["/chat/completions"] == {
        "model": "toy",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
        ],
        "max_tokens": 20,
        "temperature": 0.7,
        "top_p": 0.9,
        "seed": seed,
    }
    assert bodies["/completions"]["prompt"] == "Once"
    assert bodies["/completions"]["top_k"] == 3
    assert bodies["/completions"]["stop"] == ["."]


@pytest.mark.parametrize("way", ["echo", "prompt_logprobs"])
def test_log_likelihood_is_that_of_the_continuation_alone(way: str) -> None:
    server = OpenAIServer(ways=(way,), scorer=partial(toy_scorer, bos="<s>"))
    cases = [
        LogLikelihood("The sky is", " blue today."),
        LogLikelihood("The sky is ", "blue today."),
        LogLikelihood("", "The sky is blue today."),
    ]
    with serve(server.app()) as address:
        asked = backend(address)
        assert LogLikelihood in asked.capabilities
        outcomes = ask(asked, cases, MemorySink())
    tokens = toy_scorer("The sky is blue today.", bos="<s>")
    expected = []
    for start in (4, 4, 1):
        values = tuple(token.log_prob for token in tokens[start:] if token.log_prob is not None)
        greedy = all(token.greedy for token in tokens[start:])
        expected.append(TokenLogProbs(sum(values), values, greedy))
    assert outcomes == expected


def test_token_that_spans_the_boundary_counts_for_the_context() -> None:
    server = OpenAIServer()
    with serve(server.app()) as address:
        asked = backend(address)
        (outcome,) = ask(asked, [LogLikelihood("The sky is bl", "ue today")], MemorySink())
    # The whole is [The][ sky][ is][ blue][ today]; the context alone has 4 tokens.
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.per_token == (toy_scorer("The sky is blue today")[4].log_prob,)


@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("end", [True, False])
def test_only_the_continuation_is_scored_whatever_is_counted_and_listed(
    listed: bool, end: bool
) -> None:
    """A beginning that is counted but not listed, and an end that is put behind every text."""
    scorer = partial(toy_scorer, bos="<s>", eos="</s>" if end else None)
    server = OpenAIServer(scorer=scorer, beginning_listed=listed)
    texts = ["The sky is blue.", "Is it blue? No!", "Say: a, b; c", "Rain, rain (cold)"]
    requests = [LogLikelihood(text[:cut].rstrip(), text[cut:]) for text in texts for cut in (0, 3)]
    with serve(server.app()) as address:
        outcomes = ask(backend(address), requests, MemorySink())
    for request, outcome in zip(requests, outcomes, strict=True):
        tokens = toy_scorer(request.context + request.continuation, bos="<s>")
        before = len(toy_scorer(request.context, bos="<s>"))
        assert isinstance(outcome, TokenLogProbs), outcome
        assert outcome.per_token == tuple(token.log_prob for token in tokens[before:])


def test_continuation_of_a_prompt_is_scored_exactly_or_refused_by_name() -> None:
    requests = [
        LogLikelihood("The sky is", " blue", "prompt"),
        LogLikelihood("The sky is bl", "ue today", "prompt"),
        LogLikelihood("<s>The sky is", " blue", "rendered"),
    ]
    with serve(OpenAIServer().app()) as address:
        exact, spanned, rendered = ask(backend(address), requests, MemorySink())
    with serve(OpenAIServer(scorer=partial(toy_scorer, bos="<s>")).app()) as address:
        (begun_twice,) = ask(backend(address), requests[2:], MemorySink())
    for outcome, text in ((exact, "The sky is blue"), (rendered, "<s>The sky is blue")):
        assert isinstance(outcome, TokenLogProbs)
        assert outcome.per_token == (toy_scorer(text)[-1].log_prob,)
    for outcome in (spanned, begun_twice):
        assert isinstance(outcome, Failure)
        assert outcome.error_class == "TokenBoundary"


def test_embeddings_of_another_length_are_no_answer() -> None:
    """As when a server changes its model in the middle."""
    server = OpenAIServer()
    with serve(server.app()) as address:
        asked = backend(address, concurrency=1)
        assert Embed in asked.capabilities

        async def run() -> list[Outcome]:
            first = await asked._embed(["a"])
            server.dimension = 3
            with pytest.raises(InvalidFault, match="3 numbers after one of 2"):
                await asked._embed(["b"])
            await asked.aclose()
            return first

        assert anyio.run(run) == [Embedding((unit("a"), unit("a2")))]


def test_prompt_that_a_filter_refuses_is_answered_once() -> None:
    async def refuse(request: web.Request) -> web.Response:
        error = {"message": "The prompt triggered a filter.", "code": "content_filter"}
        return web.json_response({"error": error}, status=400)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", refuse)
    with serve(app) as address:
        request = Generate((Message("user", "p"),))
        (outcome,) = ask(backend(address, model="toy"), [request], MemorySink())
    assert isinstance(outcome, Completion)
    assert outcome.blocked
    assert "triggered a filter" in outcome.details["blocked"]


def test_a_flagged_prompt_is_blocked_alone() -> None:
    """OpenRouter says so with status 403, which is elsewhere about the key."""

    async def moderate(request: web.Request) -> web.Response:
        body = await request.json()
        if "bees" in body["messages"][-1]["content"]:
            error = {"message": "The model requires moderation: your input was flagged"}
            return web.json_response({"error": {**error, "code": 403}}, status=403)
        choice = {"message": {"content": "fine"}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice]})

    app = web.Application()
    app.router.add_post("/v1/chat/completions", moderate)
    with serve(app) as address:
        requests = [Generate((Message("user", text),)) for text in ("a", "bees", "c")]
        outcomes = ask(backend(address, model="toy"), requests, MemorySink())
    assert all(isinstance(each, Completion) for each in outcomes)
    assert [each.blocked for each in outcomes if isinstance(each, Completion)] == [
        False,
        True,
        False,
    ]


def refusing(server: OpenAIServer, path: str, status: int) -> web.Application:
    """The server, which answers this status to everything that is asked of a path."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == path:
            error = {"message": f"You are not allowed to use {path}"}
            return web.json_response({"error": error}, status=status)
        return await handler(request)

    app = server.app()
    app.middlewares.append(refuse)
    return app


@pytest.mark.parametrize("status", [403, 404, 500, 501])
def test_what_a_key_may_not_use_is_not_offered(status: int) -> None:
    """OpenAI answers 403 where a model makes no embeddings."""
    with serve(refusing(OpenAIServer(), "/v1/embeddings", status)) as address:
        assert backend(address).capabilities == {Generate, LogLikelihood}


@pytest.mark.parametrize("path", ["/v1/models", "/v1/embeddings", "/v1/completions"])
def test_a_server_that_is_not_ready_says_so(path: str) -> None:
    """Else its answers would have another identity, or a profile be refused."""
    with (
        serve(refusing(OpenAIServer(), path, 503)) as address,
        pytest.raises(BackendError, match=f"503: You are not allowed to use {path}"),
    ):
        _ = (asked := backend(address)).identity, asked.capabilities


def test_a_server_that_asks_for_patience_before_the_work_says_so_at_once() -> None:
    async def busy(request: web.Request) -> web.Response:
        error = {"message": "Too many requests"}
        return web.json_response({"error": error}, status=429, headers={"Retry-After": "500"})

    app = web.Application()
    app.router.add_get("/v1/models", busy)
    with serve(app) as address, pytest.raises(BackendError, match="429: Too many requests"):
        _ = backend(address).identity


def test_texts_are_embedded_in_smaller_batches_where_a_server_takes_few() -> None:
    server = OpenAIServer()
    sizes: list[int] = []

    @web.middleware
    async def limit(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == "/v1/embeddings":
            sizes.append(len((await request.json())["input"]))
            if sizes[-1] > 20:
                return web.json_response({"error": "batch size > maximum 20"}, status=413)
        return await handler(request)

    app = server.app()
    app.middlewares.append(limit)
    texts = [Embed(f"text {place}") for place in range(50)]
    with serve(app) as address:
        outcomes = ask(backend(address), texts, MemorySink())
    assert [each.vector[0] for each in outcomes if isinstance(each, Embedding)] == [
        unit(each.text) for each in texts
    ]
    assert max(sizes) == 50


def test_text_that_the_listed_tokens_do_not_spell_is_refused_by_name() -> None:
    def lower(prompt: str) -> list[ScoredToken]:
        return toy_scorer(prompt if prompt == PROBE else prompt.lower(), bos="<s>")

    with serve(OpenAIServer(scorer=lower).app()) as address:
        good, bad = ask(
            backend(address),
            [LogLikelihood("the sky", " is blue"), LogLikelihood("The sky", " is blue")],
            MemorySink(),
        )
    assert isinstance(good, TokenLogProbs)
    assert isinstance(bad, Failure)
    assert bad.error_class == "TokenBoundary"


def test_first_token_without_a_beginning_needs_bos_token() -> None:
    server = OpenAIServer()
    request = LogLikelihood("", "The sky")
    with serve(server.app()) as address:
        with pytest.raises(BackendError, match="--bos-token"):
            ask(backend(address), [request], MemorySink())
        (outcome,) = ask(backend(address, bos_token="<s>"), [request], MemorySink())
    tokens = toy_scorer("<s>The sky")[1:]
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.per_token == tuple(token.log_prob for token in tokens)


def test_embeddings_follow_the_index() -> None:
    server = OpenAIServer()
    texts = [f"text {number}" for number in range(100)]
    with serve(server.app()) as address:
        outcomes = ask(backend(address), [Embed(text) for text in texts], MemorySink())
    assert outcomes == [Embedding((unit(text), unit(text + "2"))) for text in texts]
    assert sorted(len(body["input"]) for _, body in server.asked) == [36, 64]


@pytest.mark.parametrize(
    ("ways", "embeddings", "expected"),
    [
        ((), False, {Generate}),
        ((), True, {Generate, Embed}),
        (("echo",), False, {Generate, LogLikelihood}),
        (("prompt_logprobs",), False, {Generate, LogLikelihood}),
    ],
)
def test_capabilities_are_what_the_server_shows(
    ways: tuple[str, ...], embeddings: bool, expected: set[type]
) -> None:
    with serve(OpenAIServer(ways=ways, embeddings=embeddings).app()) as address:
        assert backend(address).capabilities == expected


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"slow start"}))
def test_each_fault_passes(kind: str) -> None:
    faults = inject_faults(0.5, kinds=(kind,))
    server = OpenAIServer(faults=faults)
    sink = MemorySink()
    requests = [Generate(f"Say {number}", SAMPLING) for number in range(8)]
    with serve(server.app()) as address:
        outcomes = ask(backend(address, model="toy"), requests, sink)
    assert [getattr(each, "text", None) for each in outcomes] == [
        said(f"Say {number}", number) for number in range(8)
    ]
    assert faults.met[kind] > 0
    assert set(server.answered.values()) == {1}


def test_only_model_is_found_and_one_of_several_must_be_named() -> None:
    with serve(OpenAIServer().app()) as address:
        assert backend(address).model == "toy"
        assert backend(address).identity["root"] == "/toy"
    with serve(OpenAIServer(models=("a", "b")).app()) as address:
        with pytest.raises(UnknownNameError, match="name one of: a, b"):
            _ = backend(address).model
        assert backend(address, model="b").model == "b"


@pytest.mark.parametrize("status", [400, 404])
def test_a_server_that_lists_no_models_says_why(status: int) -> None:
    with serve(refusing(OpenAIServer(), "/v1/models", status)) as address:
        with pytest.raises(UnknownNameError, match=r"to use /v1/models.*name the model"):
            _ = backend(address).model
        assert backend(address, model="toy").model == "toy"


def test_model_that_is_not_there_stops_the_run() -> None:
    server = OpenAIServer()
    with serve(server.app()) as address, pytest.raises(BackendError, match="does not exist"):
        ask(backend(address, model="nonsense"), [Generate("a")] * 3, MemorySink())


def test_refused_key_stops_before_the_work_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-the-key")
    with serve(OpenAIServer(key=KEY).app()) as address:
        with pytest.raises(BackendError, match="OPENAI_API_KEY") as caught:
            _ = backend(address).capabilities
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        assert Generate in backend(address).capabilities
    assert "Incorrect API key" in str(caught.value)
    assert "not-the-key" not in str(caught.value)


def test_server_that_is_not_there_is_one_clear_line() -> None:
    with pytest.raises(BackendError, match="cannot connect to the server at 127"):
        _ = backend("http://127.0.0.1:9").capabilities


def test_without_an_address_openai_itself_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UsageError, match=r"set OPENAI_API_KEY, or .* --base-url"):
        OpenAIBackend(BackendOptions(model="gpt-5-mini"))
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    made = OpenAIBackend(BackendOptions(model="gpt-5-mini"))
    assert made._server.base_url == "https://api.openai.com/v1"


@pytest.mark.parametrize(("mode", "turned_on"), [(None, None), ("off", False), ("strip", True)])
def test_thinking_is_switched_by_the_template_and_stripped_on_request(
    mode: str | None, turned_on: bool | None
) -> None:
    server = OpenAIServer()
    thoughts = "<think>Hm.</think> Yes"
    asked = [Generate((Message("user", thoughts),), SAMPLING), Generate(thoughts, SAMPLING)]
    with serve(server.app()) as address:
        model = backend(address, thinking=mode)
        chat, text = ask(model, asked, MemorySink(), seeds=[1, 1])
        assert model.identity.get("thinking") == mode
    assert isinstance(chat, Completion) and isinstance(text, Completion)
    stripped = mode == "strip"
    assert chat.text == said("Yes" if stripped else thoughts, 1)
    assert chat.details.get("thinking_end") == ("</think>" if stripped else None)
    assert text.text == said(thoughts, 1)
    bodies = dict(server.asked)
    sent = bodies["/chat/completions"].get("chat_template_kwargs")
    assert sent == (None if turned_on is None else dict.fromkeys(SWITCHES, turned_on))
    assert "chat_template_kwargs" not in bodies["/completions"]


def test_openais_own_models_have_no_switch_of_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    for mode in ("on", "off"):
        with pytest.raises(UsageError, match="no such switch"):
            OpenAIBackend(BackendOptions("m", thinking=mode))
    assert OpenAIBackend(BackendOptions("m", thinking="strip")).name == "openai"
