"""Log-probabilities of a prompt's own tokens, as OpenAI-compatible servers give them.

There are two methods: `echo` with `logprobs` (OpenAI's legacy completions, vLLM, SGLang,
llama-cpp-python) and vLLM's `prompt_logprobs`. In both, one token is generated and discarded, since
a limit of 0 means "no limit" for some servers.

The part of a prompt that a token belongs to is determined only from token texts. Token counts are
not reliable: some servers count a beginning-of-text token that they do not list, and an end-of-text
token may precede the generated one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Protocol

from pydantic import Field

from llmprof.backends.network.retries import RequestFault
from llmprof.backends.network.server import Server, StrictModel
from llmprof.backends.token_boundaries import ends_of, shown, start_of
from llmprof.errors import BackendError
from llmprof.requests import LogLikelihood
from llmprof.responses import TokenLogProbs

PROBE = "The capital of France is Paris."
_MOST_ADDED = 2
# The logarithm of a probability that was rounded up.
_ABOVE_ZERO = 1e-4


@dataclass(frozen=True, slots=True)
class ScoredPrompt:
    """The tokens of a prompt, in order, and those that the server lists after them.

    `texts[i]` is None for a token of unknown text, `log_probs[i]` for a token without context.
    `greedy[i]` says whether token i was the most likely one at its position.
    """

    texts: tuple[str | None, ...]
    log_probs: tuple[float | None, ...]
    greedy: tuple[bool, ...]

    def without(self, added: int) -> ScoredPrompt:
        """The same without the first `added` tokens."""
        return ScoredPrompt(self.texts[added:], self.log_probs[added:], self.greedy[added:])

    def between(self, start: int, end: int) -> TokenLogProbs:
        """The score of the tokens from `start` to before `end`.

        Raises:
            ValueError: there is none, or one of them has no log-probability.
        """
        values = tuple(value for value in self.log_probs[start:end] if value is not None)
        if not values or len(values) < end - start:
            raise ValueError("a token without a log-probability")
        return TokenLogProbs(sum(values), values, all(self.greedy[start:end]))


LogProb = Annotated[float, Field(le=_ABOVE_ZERO)]


class _Echoed(StrictModel):
    tokens: list[str]
    token_logprobs: list[LogProb | None]
    top_logprobs: list[dict[str, LogProb] | None] | None = None


class _EchoChoice(StrictModel):
    logprobs: _Echoed


class _EchoAnswer(StrictModel):
    choices: list[_EchoChoice] = Field(min_length=1)


class _RankedToken(StrictModel):
    logprob: LogProb
    rank: int = Field(ge=1)
    decoded_token: str | None = None


class _RankedChoice(StrictModel):
    prompt_logprobs: list[dict[str, _RankedToken] | None]


class _RankedAnswer(StrictModel):
    choices: list[_RankedChoice] = Field(min_length=1)


def _read_echo(answer: Any) -> ScoredPrompt:
    scored = _EchoAnswer.model_validate(answer).choices[0].logprobs
    values = scored.token_logprobs
    rivals = scored.top_logprobs or [None] * len(values)
    # A first token may be listed without its text.
    texts = [
        shown(token) if token or value is not None else None
        for token, value in zip(scored.tokens, values, strict=True)
    ]
    return ScoredPrompt(
        tuple(texts),
        _log_probs(values),
        tuple(
            value is not None and top is not None and value >= max(top.values(), default=0.0)
            for value, top in zip(values, rivals, strict=True)
        ),
    )


def _read_prompt_logprobs(answer: Any) -> ScoredPrompt:
    # Each position has the prompt's token and the most likely one: the one with the lower rank is
    # the prompt's.
    places = [
        max(place.values(), key=lambda token: token.rank) if place else None
        for place in _RankedAnswer.model_validate(answer).choices[0].prompt_logprobs
    ]
    return ScoredPrompt(
        tuple(shown(place.decoded_token or "") if place else None for place in places),
        _log_probs([place.logprob if place else None for place in places]),
        tuple(place is not None and place.rank == 1 for place in places),
    )


def _log_probs(values: Sequence[float | None]) -> tuple[float | None, ...]:
    """The values; only the first may be missing.

    Raises:
        ValueError: another one is.
    """
    if None in values[1:]:
        raise ValueError("a token without a log-probability")
    return tuple(None if value is None else min(value, 0.0) for value in values)


@dataclass(frozen=True, slots=True)
class ScoringWay:
    """One method: `fields` of the request, and how to `read` the answer.

    `read` raises ValueError for an answer that does not have what was asked for.
    """

    fields: Mapping[str, Any]
    read: Callable[[Any], ScoredPrompt]


_ONE_TOKEN = {"max_tokens": 1, "temperature": 0}
SCORING_WAYS = (
    ScoringWay({**_ONE_TOKEN, "echo": True, "logprobs": 1}, _read_echo),
    ScoringWay({**_ONE_TOKEN, "prompt_logprobs": 1}, _read_prompt_logprobs),
)


@dataclass(frozen=True, slots=True)
class Scoring:
    """How a server scores prompts, determined with `PROBE`.

    It lists `added` tokens before those of a prompt and `after` tokens after them. `conditioned`
    says whether the first token of a prompt has a log-probability, given a beginning of the text
    that is listed or not.
    """

    way: ScoringWay
    added: int
    after: int
    conditioned: bool

    def read(self, answer: Any) -> ScoredPrompt:
        """The tokens of a prompt.

        Raises:
            ValueError: the answer does not hold them.
        """
        return self.way.read(answer).without(self.added)

    def end(self, prompt: ScoredPrompt, text: str) -> int:
        """The number of tokens of `text`, which is the whole prompt.

        Raises:
            RequestFault: the listed tokens do not match.
        """
        ends = ends_of(prompt.texts, text)
        usual = len(prompt.texts) - self.after
        if usual in ends:
            return usual
        if len(ends) == 1:
            return ends[0]
        raise RequestFault(
            "TokenBoundary", "the tokens that the server lists do not spell the text"
        )


def scoring_of(way: ScoringWay, answer: Any) -> Scoring | None:
    """How the server scores, from its answer to `PROBE`; None if its tokens do not match the text.

    Raises:
        ValueError: the answer does not hold log-probabilities of a prompt.
    """
    scored = way.read(answer)
    for added in range(_MOST_ADDED, -1, -1):
        prompt = scored.without(added)
        if ends := ends_of(prompt.texts, PROBE):
            conditioned = prompt.log_probs[0] is not None
            return Scoring(way, added, len(prompt.texts) - ends[0], conditioned)
    return None


class Post(Protocol):
    """Posts the fields of a request about the model to a path, and returns the JSON answered."""

    def __call__(self, path: str, **fields: Any) -> Awaitable[Any]: ...


class PromptScorer(Protocol):
    """Scores texts with a server, in the server's own way."""

    @property
    def whole_texts(self) -> bool:
        """Whether a text without context has a likelihood."""

    async def score(self, request: LogLikelihood) -> TokenLogProbs:
        """The score of the continuation.

        Raises:
            RequestFault: the server gives none.
        """


def no_beginning(server: Server) -> str:
    """Why a text without context has no likelihood, for users."""
    return (
        f"{server.base_url} puts no beginning-of-text token before a prompt, so that the first "
        "token of a text has no log-probability; name the model's with --bos-token, such as "
        "'<|endoftext|>'"
    )


def beginning(bos_token: str | None, server: Server) -> str:
    """What stands before a text without context.

    Raises:
        BackendError: nobody knows the beginning-of-text token.
    """
    if bos_token is None:
        raise BackendError(no_beginning(server))
    return bos_token


def empty_continuation() -> RequestFault:
    return RequestFault(
        "EmptyContinuation", "the continuation has no token of its own after its context"
    )


class ListedLogProbs:
    """Scores texts with a server that lists the log-probabilities of a prompt's tokens."""

    def __init__(self, scoring: Scoring, post: Post, server: Server, bos_token: str | None) -> None:
        self._scoring = scoring
        self._post = post
        self._server = server
        self._bos_token = bos_token

    @property
    def whole_texts(self) -> bool:
        return self._scoring.conditioned or self._bos_token is not None

    async def score(self, request: LogLikelihood) -> TokenLogProbs:
        context, continuation = request.parts
        if request.reading == "rendered" and self._scoring.conditioned:
            raise RequestFault(
                "TokenBoundary", "the server begins a text that has its beginning-of-text token"
            )
        if not context and not self._scoring.conditioned:
            context = beginning(self._bos_token, self._server)
        text = context + continuation
        prompt = await self._scored(text)
        end = self._scoring.end(prompt, text)
        exact = request.reading != "text"
        start = await start_of(prompt.texts, context, continuation, self._count, exact=exact)
        if start >= end:
            raise empty_continuation()
        read = partial(prompt.between, start, end)
        return self._server.understand(read, "every log-probability")

    async def _count(self, text: str) -> int:
        return self._scoring.end(await self._scored(text), text)

    async def _scored(self, text: str) -> ScoredPrompt:
        answer = await self._post("/completions", prompt=text, **self._scoring.way.fields)
        read = partial(self._scoring.read, answer)
        return self._server.understand(read, "log-probabilities of the prompt")
