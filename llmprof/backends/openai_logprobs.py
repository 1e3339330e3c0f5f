"""Log-probabilities of a prompt's own tokens, as OpenAI-compatible servers give them.

There are two methods: `echo` with `logprobs` (OpenAI's legacy completions, vLLM, SGLang,
llama-cpp-python) and vLLM's `prompt_logprobs`. In both, one token is generated and discarded, since
a limit of 0 means "no limit" for some servers.

The part of a prompt that a token belongs to is determined only from token texts. Token counts are
not reliable: some servers count a beginning-of-text token that they do not list, and an end-of-text
token may precede the generated one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from llmprof.backends.network.retries import RequestFault
from llmprof.backends.network.server import StrictModel
from llmprof.responses import TokenLogProbs

PROBE = "The capital of France is Paris."
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# How some servers write a space and a line break in a token.
_MARKERS = {"▁": " ", "Ġ": " ", "Ċ": "\n"}
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_BYTES = re.compile(r"bytes:( ?(?:\\x[0-9a-f]{2})+)")
_WORD = re.compile(r"\s*\S*")
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

    def ends_of(self, text: str) -> list[int]:
        """The possible numbers of tokens of `text`; several if its last character is spread over
        tokens."""
        places = enumerate(_reach(self.texts, text, {0}, begins=True))
        return [place for place, reached in places if len(text) in reached]

    def starts_of(self, context: str, continuation: str) -> list[int]:
        """The positions where `continuation` can begin after `context`.

        There are several if a character is spread over tokens, and none if one token holds both
        the end of the context and the beginning of the continuation.
        """
        whole = context + continuation
        return [
            place
            for place, reached in enumerate(_reach(self.texts, whole, {0}, begins=True))
            if len(context) in reached
            and any(len(whole) in end for end in _reach(self.texts[place:], whole, {len(context)}))
        ]


def _reach(
    tokens: Sequence[str | None], text: str, start: set[int], *, begins: bool = False
) -> Iterator[set[int]]:
    """How far in `text` the first 0, 1, 2, ... tokens can reach from `start`.

    At the beginning of a text (`begins`), a tokenizer may add a space and show it or not.
    """
    reached = start
    yield reached
    for place, token in enumerate(tokens):
        after = {end for position in reached for end in _ends(token, text, position)}
        if begins and place == 0 and token:
            after |= _ends(f" {token}", text, 0)
            if token[0] == " " or _MARKERS.get(token[0]) == " ":
                after |= _ends(token[1:], text, 0)
        reached = after
        yield reached


def _ends(token: str | None, text: str, start: int) -> set[int]:
    """Where in `text` a token that begins at `start` can end.

    A part of a character shows as U+FFFD: it ends the character or not. A token of unknown text is
    a word or its beginning.
    """
    if token is None:
        word = _WORD.match(text, start)
        return set(range(start + 1, word.end() + 1)) if word else set()
    ends = {start}
    for part in token:
        if part == _REPLACEMENT:
            ends |= {end + 1 for end in ends if end < len(text) and not text[end].isascii()}
        else:
            alike = (part, _MARKERS.get(part, part))
            ends = {end + 1 for end in ends if text.startswith(alike, end)}
    return ends


def _shown(token: str) -> str:
    """The text of a token, with U+FFFD for each byte of a part of a character."""
    if byte := _BYTE.fullmatch(token):
        value = int(byte[1], 16)
        return chr(value) if value < 0x80 else _REPLACEMENT
    if found := _BYTES.fullmatch(token):
        return re.sub(r"\\x[0-9a-f]{2}", _REPLACEMENT, found[1])
    return token


_LogProb = Annotated[float, Field(le=_ABOVE_ZERO)]


class _Echoed(StrictModel):
    tokens: list[str]
    token_logprobs: list[_LogProb | None]
    top_logprobs: list[dict[str, _LogProb] | None] | None = None


class _EchoChoice(StrictModel):
    logprobs: _Echoed


class _EchoAnswer(StrictModel):
    choices: list[_EchoChoice] = Field(min_length=1)


class _RankedToken(StrictModel):
    logprob: _LogProb
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
        _shown(token) if token or value is not None else None
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
        tuple(_shown(place.decoded_token or "") if place else None for place in places),
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
        ends = prompt.ends_of(text)
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
        if ends := prompt.ends_of(PROBE):
            conditioned = prompt.log_probs[0] is not None
            return Scoring(way, added, len(prompt.texts) - ends[0], conditioned)
    return None


def split_blanks(context: str, continuation: str) -> tuple[str, str]:
    """Move trailing spaces of the context to the continuation, as lm-evaluation-harness does.

    >>> split_blanks("The sky is ", "blue")
    ('The sky is', ' blue')
    """
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation
