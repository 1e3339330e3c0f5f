"""Log-probabilities of a prompt's own tokens, as OpenAI-compatible servers give them.

Two ways are in use: `echo` with `logprobs` (OpenAI's legacy completions, vLLM, SGLang,
llama-cpp-python) and vLLM's `prompt_logprobs`. In both one token is generated and thrown away: a
limit of 0 means "no limit" to some servers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmprof.requests import TokenLogProbs

PROBE = "The capital of France is Paris."


@dataclass(frozen=True, slots=True)
class ScoredPrompt:
    """The tokens of a prompt, as text, each with its log-probability given those before it.

    A first token that nothing stands before has None. `greedy[i]` tells whether token i was the
    most likely one at its place.
    """

    tokens: tuple[str, ...]
    log_probs: tuple[float | None, ...]
    greedy: tuple[bool, ...]

    @property
    def first_is_added(self) -> bool:
        """Whether the server put a token before the prompt; known for a prompt of `PROBE`."""
        return _letters("".join(self.tokens[1:])) == _letters(PROBE)

    @property
    def is_probe(self) -> bool:
        """Whether these are the tokens of `PROBE`, whatever the tokenizer writes for blanks.

        A first token without a log-probability may have no text.
        """
        text = _letters("".join(self.tokens))
        whole = _letters(PROBE)
        return text.endswith(whole) or (not self.tokens[0] and text != "" and whole.endswith(text))

    def after(self, start: int) -> TokenLogProbs:
        """The score of the tokens from `start` on.

        Raises:
            ValueError: one of them has no log-probability.
        """
        values = tuple(value for value in self.log_probs[start:] if value is not None)
        if len(values) < len(self.log_probs[start:]):
            raise ValueError("a token without a log-probability")
        return TokenLogProbs(sum(values), values, all(self.greedy[start:]))


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isascii() and character.isalnum())


@dataclass(frozen=True, slots=True)
class ScoringWay:
    """One way to ask: `fields` of the request, and how to `read` the answer."""

    fields: Mapping[str, Any]
    read: Callable[[Any], ScoredPrompt]


def _read_echo(answer: Any) -> ScoredPrompt:
    count = answer["usage"]["prompt_tokens"]
    scored = answer["choices"][0]["logprobs"]
    values = scored["token_logprobs"][:count]
    rivals = (scored.get("top_logprobs") or [None] * count)[:count]
    if len(values) < count:
        raise ValueError("the prompt is not in the answer")
    return ScoredPrompt(
        tuple(scored["tokens"][:count]),
        _log_probs(values),
        tuple(
            value is not None and bool(top) and value >= max(top.values())
            for value, top in zip(values, rivals, strict=True)
        ),
    )


def _read_prompt_logprobs(answer: Any) -> ScoredPrompt:
    # A place holds the prompt's token and the likeliest one: the worse of the two is the prompt's.
    places = [
        max(place.values(), key=lambda token: int(token["rank"])) if place else {}
        for place in answer["choices"][0]["prompt_logprobs"]
    ]
    return ScoredPrompt(
        tuple(str(place.get("decoded_token", "")) for place in places),
        _log_probs([place.get("logprob") for place in places]),
        tuple(place.get("rank") == 1 for place in places),
    )


def _log_probs(values: Sequence[Any]) -> tuple[float | None, ...]:
    """The values, checked: a number at every place but the first."""
    first, *others = values
    return (None if first is None else float(first), *map(float, others))


_ONE_TOKEN = {"max_tokens": 1, "temperature": 0}
SCORING_WAYS = (
    ScoringWay({**_ONE_TOKEN, "echo": True, "logprobs": 1}, _read_echo),
    ScoringWay({**_ONE_TOKEN, "prompt_logprobs": 1}, _read_prompt_logprobs),
)


def split_blanks(context: str, continuation: str) -> tuple[str, str]:
    """Move the blanks that end the context to the continuation, as lm-evaluation-harness does.

    >>> split_blanks("The sky is ", "blue")
    ('The sky is', ' blue')
    """
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


def first_of_continuation(tokens: Sequence[str], continuation: str) -> int | None:
    """The place of the continuation's first token.

    None when the tokens do not tell: their texts do not spell the continuation (a character split
    over tokens, a marker instead of a blank), or one token holds its beginning and what is before.

    >>> first_of_continuation(["<s>", "The", " sky", " is"], " is")
    3
    >>> first_of_continuation(["The", " sk", "y is"], " is") is None
    True
    """
    left = continuation
    place = len(tokens)
    while left and place:
        place -= 1
        if not tokens[place] or not left.endswith(tokens[place]):
            return None
        left = left[: -len(tokens[place])]
    return None if left else place
