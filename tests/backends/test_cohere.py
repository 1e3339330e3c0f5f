"""The Cohere backend, through the real `cohere` package, against a stand-in of the API."""

from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.cohere import CohereBackend
from llmprof.backends.network.retries import RetryPolicy
from llmprof.errors import BackendError, UnknownNameError
from llmprof.requests import Embed, Generate, LogLikelihood, Message, Sampling
from llmprof.responses import Completion, Embedding, Failure
from tests.backends.asking import MemorySink, ask
from tests.servers.cohere import KEY, CohereServer, chat_text, vector
from tests.servers.faults import FAULTS, inject_faults
from tests.servers.running import serve

QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.1)
SAMPLING = Sampling(max_new_tokens=20, temperature=1.0, top_p=0.9)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", KEY)
    monkeypatch.delenv("CO_API_URL", raising=False)


def backend(address: str, model: str = "command-a-03-2025", **options: object) -> CohereBackend:
    return CohereBackend(
        BackendOptions(model=model, base_url=address, timeout=1.0, **options),  # type: ignore[arg-type]
        retries=QUICK,
    )


def test_each_sample_is_one_call_with_its_own_seed_and_our_parameters() -> None:
    server = CohereServer()
    requests = [Generate("Say", SAMPLING, sample) for sample in range(5)]
    with serve(server.app()) as address:
        outcomes = ask(backend(address), requests, MemorySink())
    assert outcomes[3] == Completion(
        chat_text("Say", 3),
        token_count=8,
        finish_reason="stop",
        details={
            "finish_reason": "COMPLETE",
            "p": 0.9,
            "billed_units": {"input_tokens": 5, "output_tokens": 7},
        },
    )
    assert sorted(body["seed"] for body in server.asked) == [0, 1, 2, 3, 4]
    sent = {name: server.asked[0][name] for name in server.asked[0] if name != "seed"}
    assert sent == {
        "model": "command-a-03-2025",
        "messages": [{"role": "user", "content": "Say"}],
        "max_tokens": 20,
        "temperature": 1.0,
        "p": 0.9,
        "safety_mode": "CONTEXTUAL",
        "stream": False,
    }


def test_messages_pass_as_they_are_and_extremes_fit_the_api() -> None:
    server = CohereServer()
    conversation = (Message("system", "Continue."), Message("user", "Once"))
    request = Generate(conversation, Sampling(temperature=1.0, top_p=1.0, top_k=5, stop=("\n",)))
    with serve(server.app()) as address:
        asked = backend(address, safety_mode="OFF")
        (outcome,) = ask(asked, [request], MemorySink(), seeds=[2**63 - 1])
    (body,) = server.asked
    assert body["messages"] == [
        {"role": "system", "content": "Continue."},
        {"role": "user", "content": "Once"},
    ]
    assert (body["p"], body["k"], body["stop_sequences"]) == (0.99, 5, ["\n"])
    assert (body["safety_mode"], body["seed"]) == ("OFF", (2**63 - 1) % 2**53)
    assert isinstance(outcome, Completion)
    assert outcome.details["p"] == 0.99


@pytest.mark.parametrize("reason", ["ERROR", "TIMEOUT"])
def test_completion_that_ended_in_an_error_is_a_failure_not_a_text(reason: str) -> None:
    server = CohereServer(finish_reasons=(reason, "MAX_TOKENS"))
    requests = [Generate(f"Say {number}", SAMPLING) for number in range(2)]
    with serve(server.app()) as address:
        first, second = ask(backend(address, concurrency=1), requests, MemorySink())
    assert isinstance(first, Failure)
    assert first.error_class == reason
    assert isinstance(second, Completion)
    assert second.finish_reason == "length"


@pytest.mark.parametrize("kind", sorted(set(FAULTS) - {"slow start"}))
def test_each_fault_passes_and_our_retries_count(kind: str) -> None:
    faults = inject_faults(0.5, kinds=(kind,))
    server = CohereServer(faults=faults)
    sink = MemorySink()
    requests = [Generate(f"Say {number}", SAMPLING) for number in range(8)]
    with serve(server.app()) as address:
        outcomes = ask(backend(address), requests, sink)
    assert [getattr(each, "text", None) for each in outcomes] == [
        chat_text(f"Say {number}", number) for number in range(8)
    ]
    assert faults.met[kind] == len(sink.retries) > 0
    assert set(server.answered.values()) == {1}


def test_completion_that_the_provider_withheld_is_an_answer() -> None:
    server = CohereServer(finish_reasons=("ERROR_TOXIC",))
    with serve(server.app()) as address:
        (outcome,) = ask(backend(address), [Generate("Say", SAMPLING)], MemorySink())
    assert isinstance(outcome, Completion)
    assert outcome.blocked
    assert outcome.details["blocked"] == "ERROR_TOXIC"


@pytest.mark.parametrize("content", [None, [], [{"type": "thinking", "thinking": "hm"}]])
def test_completion_without_text_is_a_failure(content: Any) -> None:
    server = CohereServer(change={"message": {"role": "assistant", "content": content}})
    with serve(server.app()) as address:
        (outcome,) = ask(backend(address), [Generate("Say", SAMPLING)], MemorySink())
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "NoContent"


@pytest.mark.parametrize("usage", [None, {}, {"tokens": {}}, {"tokens": {"output_tokens": 0}}])
def test_tokens_that_were_not_counted_are_not_zero(usage: Any) -> None:
    with serve(CohereServer(change={"usage": usage}).app()) as address:
        (outcome,) = ask(backend(address), [Generate("Say", SAMPLING)], MemorySink())
    assert isinstance(outcome, Completion)
    assert outcome.token_count is None


@pytest.mark.parametrize(
    "change",
    [
        {"message": "Hi"},
        {"message": {"role": "assistant", "content": "Hi"}},
        {"message": {"role": "assistant", "content": [{"type": "text", "text": 3}]}},
        {"finish_reason": 3},
        {"usage": {"tokens": {"output_tokens": -1}}},
    ],
)
def test_chat_of_another_shape_is_a_failure(change: dict[str, Any]) -> None:
    with serve(CohereServer(change=change).app()) as address:
        (outcome,) = ask(backend(address), [Generate("Say", SAMPLING)], MemorySink())
    assert isinstance(outcome, Failure)
    assert outcome.error_class == "InvalidResponse"


@pytest.mark.parametrize(
    "vectors",
    [None, "x", [], [[1.0]], [[1.0], []], [[1.0], [1.0, 2.0]], [[1.0], ["1"]], [[1.0], 1.0]],
)
def test_embeddings_of_another_shape_are_failures(vectors: Any) -> None:
    change = {"embeddings": {"float": vectors}}
    with serve(CohereServer(change=change).app()) as address:
        outcomes = ask(backend(address, "embed-v4.0"), [Embed("a"), Embed("b")], MemorySink())
    assert [getattr(each, "error_class", None) for each in outcomes] == ["InvalidResponse"] * 2


def test_embeddings_come_in_calls_of_96_texts() -> None:
    server = CohereServer()
    texts = [f"text {number}" for number in range(200)]
    with serve(server.app()) as address:
        embedder = backend(address, "embed-v4.0")
        outcomes = ask(embedder, [Embed(text) for text in texts], MemorySink())
    assert outcomes == [Embedding(tuple(vector(text))) for text in texts]
    assert sorted(len(body["texts"]) for body in server.asked) == [8, 96, 96]
    assert {body["input_type"] for body in server.asked} == {"clustering"}


def test_capabilities_follow_the_model() -> None:
    address = "http://localhost"
    assert backend(address).capabilities == {Generate}
    assert backend(address, "embed-v4.0").capabilities == {Embed}
    assert LogLikelihood not in backend(address).capabilities


def test_safety_mode_and_model_are_in_the_identity_and_speed_is_not() -> None:
    address = "http://localhost"
    plain = backend(address).identity
    assert backend(address, safety_mode="STRICT").identity != plain
    assert backend(address, "command-r").identity != plain
    assert backend(address, concurrency=3, rpm=7.0).identity == plain


def test_refused_key_stops_the_run_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CO_API_KEY", "not-the-key")
    server = CohereServer()
    with serve(server.app()) as address, pytest.raises(BackendError) as caught:
        ask(backend(address), [Generate("Say", SAMPLING)], MemorySink())
    assert "CO_API_KEY" in str(caught.value)
    assert "invalid api token" in str(caught.value)
    assert "not-the-key" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": None}, UnknownNameError, "no Cohere model"),
        ({"model": "command-r", "safety_mode": "NONE"}, UnknownNameError, "CONTEXTUAL, STRICT"),
    ],
)
def test_bad_options_are_refused(
    options: dict[str, str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        CohereBackend(BackendOptions(**options))  # type: ignore[arg-type]


def test_no_key_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CO_API_KEY")
    with pytest.raises(BackendError, match="CO_API_KEY"):
        backend("http://localhost")
