"""Requests that profilers make.

All are frozen dataclasses of JSON values, so that each has one canonical form, from which the cache
key is computed (`llmprof.cache.keys`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from llmprof.responses import (
    Completion,
    Embedding,
    Failure,
    Json,
    TextScores,
    TokenLogProbs,
    ToxicityScores,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation; `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a continuation is sampled.

    `temperature` 0 is greedy decoding: the other parameters and the seed then have no effect and
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
    whole and split after the context's tokens. `reading` says how the context is read:

    - `text`: a space at its end belongs to the continuation, and a token that spans the boundary to
      the context (both as in lm-evaluation-harness).
    - `prompt`: the prompt that the continuation was generated from. Spaces at its end are kept, and
      exactly the continuation's tokens are scored; none, if no token ends at the end of the prompt.
    - `rendered`: a prompt that already contains its special tokens, such as a conversation in the
      model's chat template.
    """

    context: str
    continuation: str
    reading: Literal["text", "prompt", "rendered"] = "text"

    kind: ClassVar[str] = "log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    @property
    def parts(self) -> tuple[str, str]:
        """Context and continuation, with the spaces between them where `reading` puts them."""
        if self.reading != "text":
            return self.context, self.continuation
        return split_blanks(self.context, self.continuation)

    def canonical(self) -> Json:
        data = {"context": self.context, "continuation": self.continuation}
        return data if self.reading == "text" else {**data, "reading": self.reading}


def split_blanks(context: str, continuation: str) -> tuple[str, str]:
    """Move trailing spaces of the context to the continuation, as lm-evaluation-harness does.

    >>> split_blanks("The sky is ", "blue")
    ('The sky is', ' blue')
    """
    kept = context.rstrip()
    return kept, context[len(kept) :] + continuation


@dataclass(frozen=True, slots=True)
class RollingLogLikelihood:
    """Log-likelihood of a whole `text` of any length, given the beginning-of-text token.

    A text longer than the model's window is scored in windows that cover each token once: only the
    last window overlaps with scored tokens, so that it is full (`get_rolling_token_windows` of
    lm-evaluation-harness, with a context of 1). Nothing is cut off, and a text that fits has the
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

    Both are tokenized with the tokenizer's defaults, including special tokens. The scored tokens
    may begin before or after the beginning of `tail` in the text: the scripts of "LLM See, LLM Do"
    score options in this way.
    """

    text: str
    tail: str

    kind: ClassVar[str] = "tail_log_likelihood"
    response: ClassVar[type[TokenLogProbs]] = TokenLogProbs

    def canonical(self) -> Json:
        return {"text": self.text, "tail": self.tail}


@dataclass(frozen=True, slots=True)
class StartedLogLikelihood:
    """Log-likelihood of `text` in which only the first token is conditioned on a start token.

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
    over its tokens by `pooling`: `mean`, `last` token or `cls` (first token); padding is never
    included. A provider's embedding model ignores both. The vector is not normalised.
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
    """Score one text for each of `attributes`; if empty, for all attributes of the scorer.

    `scorer` names one of several scorers. It is not part of the canonical form, since the scorer's
    identity is already part of the cache key.
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
    """Compute `metrics` of one text, as named in `llmprof.metrics.text`.

    `language` is a code such as `en`.
    """

    text: str
    metrics: tuple[str, ...]
    language: str = "en"

    kind: ClassVar[str] = "describe_text"
    response: ClassVar[type[TextScores]] = TextScores

    def canonical(self) -> Json:
        return {"text": self.text, "metrics": self.metrics, "language": self.language}


REFUSAL_LABELS = ("full_refusal", "partial_refusal", "compliance")


@dataclass(frozen=True, slots=True)
class JudgeRefusal:
    """What `completion` does with what `prompt` asked: a score in [0, 1] for each refusal label."""

    prompt: str
    completion: str

    kind: ClassVar[str] = "judge_refusal"
    response: ClassVar[type[TextScores]] = TextScores

    def canonical(self) -> Json:
        return {"prompt": self.prompt, "completion": self.completion}


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
    | JudgeRefusal
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
    | type[JudgeRefusal]
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one request, with its content address."""

    key: str
    outcome: Outcome
