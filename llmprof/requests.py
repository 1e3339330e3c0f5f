"""Requests that profilers make and responses that backends give.

All are frozen dataclasses made of JSON values, so that each has one canonical form: the cache key
is computed from it (`llmprof.cache.keys`) and the answer is stored in it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a continuation is sampled.

    `temperature` 0 is greedy decoding: the other parameters and the seed then change nothing and
    are left out of the canonical form. `top_p` is in (0, 1]; `top_k` 0 means no limit.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0
    stop: tuple[str, ...] = ()

    @property
    def greedy(self) -> bool:
        return self.temperature == 0.0


def whole_characters(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# The finish reason of a completion that the provider withheld or cut, as OpenAI names it.
BLOCKED = "content_filter"
# The detail of a completion that the model's context ended before its limit of tokens did.
SHORTENED_TO = "shortened_to"


@dataclass(frozen=True, slots=True)
class Completion:
    """Answer to `Generate`. `finish_reason` is `stop`, `length` or the provider's own word.

    `token_count` is None where the provider does not count tokens. `truncated_tokens` of the prompt
    did not fit the model and were cut from its beginning. `details` holds what else the provider
    reports (billed units, safety mode), as JSON values; `shortened_to` is the number of tokens
    after which the model's context was full.
    """

    text: str
    token_count: int | None
    finish_reason: str
    truncated_tokens: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dropped(self) -> Sequence[str]:
        """The sampling parameters that were left out, since the provider takes none of them."""
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
    def cut_to_fit(self) -> bool:
        """Whether prompt or text lost tokens because the model's context is no longer."""
        return self.truncated_tokens > 0 or SHORTENED_TO in self.details

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

    `is_greedy` tells whether every token was the most likely one at its position.
    `truncated_tokens` of the context did not fit the model and were cut from its beginning.
    """

    total: float
    per_token: tuple[float, ...]
    is_greedy: bool
    truncated_tokens: int = 0

    @property
    def token_count(self) -> int:
        return len(self.per_token)

    @property
    def cut_to_fit(self) -> bool:
        """Whether the context lost tokens because the model reads no more."""
        return self.truncated_tokens > 0

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

    A text that the scorer refuses for good (empty, too long, a language it does not know) has no
    scores, and `refusal` gives the scorer's own reason; that is an answer, and it is cached.
    `details` holds what a scorer behind a network said besides, as JSON values; `given` is the day
    of the answer in UTC, as an ISO date. Both are about the answer and no part of it.
    """

    scores: Mapping[str, float]
    refusal: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, compare=False)
    given: str | None = field(default=None, compare=False)

    @classmethod
    def from_json(cls, data: Json) -> ToxicityScores:
        details, given = data.get("details", {}), data.get("given")
        return cls(dict(data["scores"]), data.get("refusal"), details, given)


# The class of failure of an answer with numbers that are infinite or not a number.
NOT_FINITE = "NotFinite"


@dataclass(frozen=True, slots=True)
class TextScores:
    """Answer to `DescribeText`: each metric's value; None where it is not defined for the text.

    A text that is not described has no scores, and `refusal` says why; it is an answer and is kept.
    """

    scores: Mapping[str, float | None]
    refusal: str | None = None

    @classmethod
    def from_json(cls, data: Json) -> TextScores:
        return cls(dict(data["scores"]), data.get("refusal"))


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got no answer: refused, unparsable, timed out at every retry. Never cached."""

    error_class: str
    message: str


@dataclass(frozen=True, slots=True)
class Generate:
    """Continue a raw `prompt` (text) or answer a conversation (tuple of messages).

    `sample` numbers independent samples for the same prompt: 25 completions are 25 requests.
    """

    prompt: str | tuple[Message, ...]
    sampling: Sampling = field(default_factory=Sampling)
    sample: int = 0

    kind: ClassVar[str] = "generate"
    response: ClassVar[type[Completion]] = Completion

    def canonical(self) -> Json:
        data = dataclasses.asdict(self)
        if self.sampling.greedy:
            data["sampling"] = {
                "max_new_tokens": self.sampling.max_new_tokens,
                "temperature": 0.0,
                "stop": self.sampling.stop,
            }
            del data["sample"]
        return data


@dataclass(frozen=True, slots=True)
class LogLikelihood:
    """Log-likelihood of `continuation` given `context`.

    An empty context conditions on the model's beginning-of-text token. The text is tokenized as a
    whole and split after the context's tokens. `reading` says what the context is:

    - `text`: a blank at its end belongs to the continuation, and a token that spans the boundary to
      the context (both as lm-evaluation-harness does).
    - `prompt`: what the continuation was written after. Blanks at its end stay there, and exactly
      the continuation's tokens are scored; where no token ends with the prompt, none are.
    - `rendered`: a prompt that holds its special tokens already, such as a conversation in the
      model's chat template.
    """

    context: str
    continuation: str
    reading: Literal["text", "prompt", "rendered"] = "text"

    kind: ClassVar[str] = "log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    def canonical(self) -> Json:
        data = {"context": self.context, "continuation": self.continuation}
        return data if self.reading == "text" else {**data, "reading": self.reading}


@dataclass(frozen=True, slots=True)
class RollingLogLikelihood:
    """Log-likelihood of a whole `text` of any length, given the beginning-of-text token.

    A text longer than the model's window is scored in windows that cover each token once: only the
    last reaches back over tokens that are scored already, to be full (`get_rolling_token_windows`
    of lm-evaluation-harness, with a context of 1). Nothing is cut off, and a text that fits has the
    value of `LogLikelihood("", text)`.
    """

    text: str

    kind: ClassVar[str] = "rolling_log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    def canonical(self) -> Json:
        return {"text": self.text}


@dataclass(frozen=True, slots=True)
class TailLogLikelihood:
    """Log-likelihood of the last tokens of `text`: as many as `tail` has when tokenized alone.

    Both are tokenized as the tokenizer does it by default, special tokens included. The scored
    tokens may begin before `tail` does in the text, or after: this is how the scripts of "LLM See,
    LLM Do" score an option.
    """

    text: str
    tail: str

    kind: ClassVar[str] = "tail_log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    def canonical(self) -> Json:
        return {"text": self.text, "tail": self.tail}


@dataclass(frozen=True, slots=True)
class StartedLogLikelihood:
    """Log-likelihood of `text` whose start token is read for its first token only.

    The first token is scored given the first token of `start`, each later one given the tokens of
    the text before it, without the start token. This is how bias-bench (Meade et al. 2022, arXiv
    2110.08527) and the scripts of "LLM See, LLM Do" score a sentence.
    """

    text: str
    start: str = "<|endoftext|>"

    kind: ClassVar[str] = "started_log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    def canonical(self) -> Json:
        return {"text": self.text, "start": self.start}


@dataclass(frozen=True, slots=True)
class PseudoLogLikelihood:
    """Pseudo-log-likelihood, under a masked language model, of the tokens two sentences share.

    Each token of `sentence` that it shares with `other` is masked in turn and scored given all
    the others (Nangia et al. 2020, section 3.1); tokens that differ are never masked.
    """

    sentence: str
    other: str

    kind: ClassVar[str] = "pseudo_log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    def canonical(self) -> Json:
        return {"sentence": self.sentence, "other": self.other}


POOLINGS = ("mean", "last", "cls")


@dataclass(frozen=True, slots=True)
class Embed:
    """Embed one text.

    A language model pools the hidden states of `layer` (0 is the embeddings, -1 the last layer)
    over its tokens by `pooling`: `mean`, `last` token or `cls` (first token); padding never
    counts. A provider's embedding model ignores both. The vector is
    not normalised.
    """

    text: str
    pooling: str = "mean"
    layer: int = -1

    kind: ClassVar[str] = "embed"
    response: ClassVar[type[Embedding]] = Embedding

    def canonical(self) -> Json:
        return {"text": self.text, "pooling": self.pooling, "layer": self.layer}


@dataclass(frozen=True, slots=True)
class Toxicity:
    """Score one text for each of `attributes`; none asks a scorer for all of its own.

    `scorer` names one of several scorers. It is no part of the canonical form: whose answer it is
    follows from the scorer's identity, however many others are asked.
    """

    text: str
    attributes: tuple[str, ...]
    scorer: str | None = None

    kind: ClassVar[str] = "toxicity"
    response: ClassVar[type[ToxicityScores]] = ToxicityScores

    def canonical(self) -> Json:
        return {"text": self.text, "attributes": self.attributes}


@dataclass(frozen=True, slots=True)
class DescribeText:
    """Describe one text by `metrics`, which `llmprof.metrics.text` names.

    `language` is a code such as `en`.
    """

    text: str
    metrics: tuple[str, ...]
    language: str = "en"

    kind: ClassVar[str] = "describe_text"
    response: ClassVar[type[TextScores]] = TextScores

    def canonical(self) -> Json:
        return {"text": self.text, "metrics": self.metrics, "language": self.language}


Request: TypeAlias = (
    Generate
    | LogLikelihood
    | RollingLogLikelihood
    | TailLogLikelihood
    | StartedLogLikelihood
    | PseudoLogLikelihood
    | Embed
    | Toxicity
    | DescribeText
)
Response: TypeAlias = Completion | TokenLogProbs | Embedding | ToxicityScores | TextScores
Outcome: TypeAlias = Response | Failure
RequestType: TypeAlias = (
    type[Generate]
    | type[LogLikelihood]
    | type[RollingLogLikelihood]
    | type[TailLogLikelihood]
    | type[StartedLogLikelihood]
    | type[PseudoLogLikelihood]
    | type[Embed]
    | type[Toxicity]
    | type[DescribeText]
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one request, with its content address."""

    key: str
    outcome: Outcome
