"""Responses that backends give to requests, and failures.

All are frozen dataclasses of JSON values: an answer is stored as its fields and read by
`from_json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


def whole_characters(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# The finish reason of a completion that the provider withheld or cut, as OpenAI names it.
BLOCKED = "content_filter"
# The detail of a completion that ended because the context was full, before its token limit.
SHORTENED_TO = "shortened_to"


@dataclass(frozen=True, slots=True)
class Completion:
    """Answer to `Generate`. `finish_reason` is `stop`, `length` or the provider's own value.

    `token_count` is None if the provider does not count tokens. `truncated_tokens` is the number of
    tokens cut from the beginning of the prompt to fit the context. `details` contains other values
    that the provider reports (billed units, safety mode), as JSON values; `shortened_to` is the
    number of tokens after which the context was full, `thinking_tokens` the number of reasoning
    tokens, and `thinking_end` the marker after them.
    """

    text: str
    token_count: int | None
    finish_reason: str
    truncated_tokens: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dropped(self) -> Sequence[str]:
        """The sampling parameters that were left out because the provider does not accept them."""
        names: Sequence[str] = self.details.get("dropped", ())
        return names

    @property
    def renamed(self) -> Mapping[str, str]:
        """The sampling parameters that were sent under another name, each with that name."""
        names: Mapping[str, str] = self.details.get("renamed", {})
        return names

    @property
    def blocked(self) -> bool:
        """Whether the provider withheld the whole text: an answer, but not a text of length 0."""
        return self.finish_reason == BLOCKED and not self.text

    @property
    def shortened(self) -> bool:
        """Whether the text ended because the model's context was full, before its own limit."""
        return SHORTENED_TO in self.details

    @property
    def thinking_tokens(self) -> int:
        """The number of reasoning tokens; 0 if unknown."""
        count: int = self.details.get("thinking_tokens", 0)
        return count

    @classmethod
    def from_json(cls, data: Json) -> Completion:
        return cls(
            data["text"],
            data["token_count"],
            data["finish_reason"],
            data.get("truncated_tokens", 0),
            data.get("details", {}),
        )


@dataclass(frozen=True, slots=True)
class TokenLogProbs:
    """Answer to `LogLikelihood`: natural logarithms, one value per continuation token.

    `is_greedy` says whether every token was the most likely one at its position. `truncated_tokens`
    is the number of tokens cut from the beginning of the context to fit the model.
    """

    total: float
    per_token: tuple[float, ...]
    is_greedy: bool
    truncated_tokens: int = 0

    @property
    def token_count(self) -> int:
        return len(self.per_token)

    @classmethod
    def from_json(cls, data: Json) -> TokenLogProbs:
        return cls(
            data["total"],
            tuple(data["per_token"]),
            data["is_greedy"],
            data.get("truncated_tokens", 0),
        )


@dataclass(frozen=True, slots=True)
class Embedding:
    """Answer to `Embed`: one vector, shape (dimension,)."""

    vector: tuple[float, ...]

    @classmethod
    def from_json(cls, data: Json) -> Embedding:
        return cls(tuple(data["vector"]))


@dataclass(frozen=True, slots=True)
class ToxicityScores:
    """Answer to `Toxicity`: a score in [0, 1] for each attribute that the scorer has.

    A text that the scorer permanently refuses (empty, too long, unsupported language) has no
    scores, and `refusal` gives the scorer's own reason; this counts as an answer and is cached.
    `details` contains the remaining values of a remote scorer's answer, as JSON values; `given` is
    the date of the answer in UTC, in ISO format. Both are metadata.
    """

    scores: Mapping[str, float]
    refusal: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)
    given: str | None = field(default=None, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> ToxicityScores:
        details, given = data.get("details", {}), data.get("given")
        return cls(dict(data["scores"]), data.get("refusal"), details, given)


# The failure class of an answer with infinite numbers or NaN.
NOT_FINITE = "NotFinite"


@dataclass(frozen=True, slots=True)
class TextScores:
    """Answer to `DescribeText`: each metric's value; None if it is undefined for the text.

    A text that cannot be processed has no scores, and `refusal` says why; this counts as an answer
    and is cached.
    """

    scores: Mapping[str, float | None]
    refusal: str | None = None

    @classmethod
    def from_json(cls, data: Json) -> TextScores:
        return cls(dict(data["scores"]), data.get("refusal"))


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without an answer: refused, unparsable, or timed out at every retry. Never
    cached."""

    error_class: str
    message: str
