"""Log-likelihoods from llama-server, against a stand-in; docs/how-to/servers.md names real runs."""

from __future__ import annotations

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.network.retries import RetryPolicy
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.protocol import no_whole_texts
from llmprof.errors import BackendError
from llmprof.requests import Generate, LogLikelihood
from llmprof.responses import Failure, TokenLogProbs
from tests.backends.asking import MemorySink, ask
from tests.servers.llama_server import BOS, LlamaServer
from tests.servers.running import serve

QUICK = RetryPolicy(first_seconds=0.02, longest_seconds=0.1)


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def backend(address: str, bos_token: str | None = None) -> OpenAIBackend:
    options = BackendOptions(base_url=f"{address}/v1", timeout=5.0, bos_token=bos_token)
    return OpenAIBackend(options, retries=QUICK)


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize(
    ("request_", "context", "continuation"),
    [
        (LogLikelihood("The sky is", " blue today."), "The sky is", " blue today."),
        (LogLikelihood("The sky is ", "blue"), "The sky is", " blue"),
        (LogLikelihood("", "The sky"), "", "The sky"),
        # Characters of several tokens, in the context, in the continuation and at its ends.
        (LogLikelihood("Grüße", " aus Köln"), "Grüße", " aus Köln"),
        (LogLikelihood("日本", "語 and 文"), "日本", "語 and 文"),
        (LogLikelihood("a", "🎉"), "a", "🎉"),
        # The whole has one token "bo", which belongs to the continuation.
        (LogLikelihood("a b", "o", "text"), "a", ""),
        # A generated continuation is scored as its own tokens.
        (LogLikelihood("a b", "o", "prompt"), "a b", "o"),
    ],
)
def test_a_continuation_has_the_models_own_log_probabilities(
    adds_bos: bool, request_: LogLikelihood, context: str, continuation: str
) -> None:
    server = LlamaServer(adds_bos=adds_bos)
    with serve(server.app()) as address:
        asked = backend(address)
        assert asked.capabilities == {Generate, LogLikelihood}
        (outcome,) = ask(asked, [request_], MemorySink())
    begin = BOS if adds_bos or not context else ""
    if not continuation:
        assert isinstance(outcome, Failure)
        assert outcome.error_class == "EmptyContinuation"
        return
    expected = server.log_probs(begin + context, continuation)
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.per_token == pytest.approx(expected, abs=1e-12)
    assert outcome.total == pytest.approx(sum(expected))


@pytest.mark.parametrize("text", [" sky", " blue", "."])
def test_only_the_most_likely_token_is_greedy(text: str) -> None:
    server = LlamaServer()
    server.tokens("The capital of France is Paris. sky blue ü")
    with serve(server.app()) as address:
        (outcome,) = ask(backend(address), [LogLikelihood("The", text)], MemorySink())
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.is_greedy == (server.most_likely(b"The") == text.encode())


def test_a_part_of_a_character_can_be_greedy() -> None:
    server = LlamaServer()
    server.tokens("The capital of France is Paris. ü")
    contexts = [f"T{end}" for end in "abcdefghijklmnopqrstuvwxyz"]
    (context, *_) = [each for each in contexts if server.most_likely(each.encode()) == b"\xc3"]
    with serve(server.app()) as address:
        (outcome,) = ask(backend(address), [LogLikelihood(context, "ü")], MemorySink())
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.is_greedy == (server.most_likely(context.encode() + b"\xc3") == b"\xbc")


def test_a_rendered_prompt_gets_no_second_beginning() -> None:
    server = LlamaServer(adds_bos=True)
    request = LogLikelihood(f"{BOS}user Hi", " yes", "rendered")
    with serve(server.app()) as address:
        (outcome,) = ask(backend(address), [request], MemorySink())
    assert isinstance(outcome, TokenLogProbs)
    assert outcome.per_token == pytest.approx(server.log_probs(f"{BOS}user Hi", " yes"))


@pytest.mark.parametrize("server", [LlamaServer(forces=False), LlamaServer(after_grammar=True)])
def test_a_version_that_cannot_force_tokens_offers_no_log_likelihoods(server: LlamaServer) -> None:
    with serve(server.app()) as address:
        assert backend(address).capabilities == {Generate}


def test_a_beginning_is_the_users_or_the_servers_or_missing_before_the_work() -> None:
    server = LlamaServer()
    request = LogLikelihood("", "The sky")
    with serve(server.app()) as address:
        (named,) = ask(backend(address, "."), [request], MemorySink())
        assert isinstance(named, TokenLogProbs)
        assert named.per_token == pytest.approx(server.log_probs(".", "The sky"))
        server.bos = ""
        nameless = backend(address)
        assert "--bos-token" in str(no_whole_texts(nameless))
        with pytest.raises(BackendError, match="--bos-token"):
            ask(nameless, [request], MemorySink())
    assert all("model" in body for _, body in server.asked)


@pytest.mark.parametrize("adds_bos", [False, True])
def test_a_text_that_does_not_fit_the_context_is_not_sent(adds_bos: bool) -> None:
    server = LlamaServer(adds_bos=adds_bos)
    server.longest = 20
    fitting = 20 - adds_bos - 1
    cases = [LogLikelihood("a", "!" * count) for count in (fitting, fitting + 1)]
    sink = MemorySink()
    with serve(server.app()) as address:
        fits, does_not = ask(backend(address), cases, sink)
    assert isinstance(fits, TokenLogProbs) and len(fits.per_token) == fitting
    assert isinstance(does_not, Failure)
    assert does_not.error_class == "ContextTooLong"
    assert "has 21 tokens" in does_not.message and sink.retries == []
