"""Protocols of profilers: state requests, score answers, average samples, all without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from llmprof.datasets import DataOptions, Dataset
from llmprof.metrics.measures import Measure
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.options import ProfilerOptions as ProfilerOptions
from llmprof.profilers.presentation import Presentation
from llmprof.requests import Answer, Request, RequestType


@dataclass(frozen=True, slots=True)
class ScorerFacts:
    """What a profile has to know of one scorer of a run.

    `categories` are those of a policy, by the scorer's own names; a scorer of toxicity has none.
    `bridges` are the contents of files of `llmprof bridge fit` that start from this scorer.
    """

    name: str
    model: str | None
    categories: tuple[str, ...] = ()
    bridges: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model once its backend is found; no user says it.

    `chat` tells whether the model is meant to be asked with messages (`Backend.chat`), which
    `prompt_format` "auto" follows, and `system_role` whether these may begin with a system message.
    `capabilities` are what the backend and the scorer answer, for a profile that has two ways.
    `scorer` of toxicity is asked beside the model, and `scorer_model` is the model behind it, where
    it may be one of several. `scorers` are all of a run that has several, or that measures a
    policy. `whole_texts` tells whether the model gives a text without context a likelihood. `model`
    is its name, for scores that are said to be of it.
    """

    chat: bool = False
    capabilities: frozenset[RequestType] = frozenset()
    scorer: str | None = None
    scorer_model: str | None = None
    scorers: tuple[ScorerFacts, ...] = ()
    system_role: bool = True
    whole_texts: bool = True
    model: str = "unknown"


NO_FACTS = ModelFacts()


class Profiler(Protocol):
    """States requests for a data set's items and scores the answers.

    `version` names the protocol: numbers made under different versions are never compared.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def needs(self) -> frozenset[RequestType]:
        """The kinds of request it makes, given what the backend can answer."""

    def load(self, options: DataOptions) -> Sequence[Dataset[Any]]:
        """The data sets that are profiled on; raises DataError or DataNotFoundError."""

    def requests(self, item: Any) -> Sequence[Request]:
        """The requests about one item."""

    def score(self, item: Any, answers: Sequence[Answer]) -> Sequence[Sample]:
        """Score one item from the answers to its requests, in their order."""

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        """Average the samples of one whole data set."""


@runtime_checkable
class OptionReader(Protocol):
    """A profiler that says which options of its own it reads; any other is refused.

    `reads` names fields of `ProfilerOptions` beyond those of every profile: how the model is asked
    (`PromptOptions`) and the protocol. A profiler without it is given all of them.
    """

    @property
    def reads(self) -> frozenset[str]: ...


@runtime_checkable
class ModelDependent(Protocol):
    """A profiler that asks or scores in another way, or under another version, by the model."""

    def for_model(self, facts: ModelFacts) -> Profiler:
        """The profiler for the model that these facts are of."""


@runtime_checkable
class WholeTextScorer(Protocol):
    """A profiler that asks, if `whole_texts` is true, for likelihoods of texts without context."""

    @property
    def whole_texts(self) -> bool: ...


@runtime_checkable
class TwoStage(Protocol):
    """A profiler with requests about the first answers, such as the toxicity of a completion."""

    @property
    def follow_up_kind(self) -> RequestType:
        """The kind of request that `follow_up` states."""

    def follow_up(self, item: Any, answers: Sequence[Answer]) -> Sequence[Request]:
        """Requests about the first answers; `score` gets the answers to both, in order."""


@runtime_checkable
class OwnItems(Protocol):
    """A profiler of completions whose items say more than a prompt does.

    Completions of any prompt, such as those of a file, cannot be profiled by it.
    """

    @property
    def own_items(self) -> bool:
        """Whether it is so."""


@runtime_checkable
class Comparable(Protocol):
    """A profiler whose runs on one data set reports can compare, unit by unit.

    `settings` names the fields of `ProfilerOptions` that change requests or scores but are not
    part of the version. For a profiler without it, every option counts.
    """

    @property
    def settings(self) -> frozenset[str]: ...

    def measures(self, samples: Sequence[Scored]) -> Iterable[Measure]:
        """What `metrics` computes its numbers from, in the same order."""


@runtime_checkable
class Presented(Protocol):
    """A profiler that says how its results are shown; of any other, reports show the numbers."""

    @property
    def presentation(self) -> Presentation: ...


@dataclass(frozen=True, slots=True)
class CompletionScores:
    """What a profiler finds out about a single completion, whoever wrote it.

    `names` are the scores as `llmprof select` calls them, each of a meaning of its own; those in
    `shares` are between 0 and 1. `request` states, with a text and names, a request of the kind
    `kind`; `read` takes the scores from its answer, or says why there are none.
    """

    kind: RequestType
    names: tuple[str, ...]
    shares: frozenset[str]
    request: Callable[[str, tuple[str, ...]], Request]
    read: Callable[[Answer], tuple[Mapping[str, float | None], str | None]]

    def about(self, text: str) -> Request:
        """The request for these scores of a text."""
        return self.request(text, self.names)


@runtime_checkable
class CompletionScorer(Protocol):
    """A profiler whose scores of single completions can choose training data."""

    @property
    def completion_scores(self) -> CompletionScores: ...


class ScoredResponse(Scored, Protocol):
    """A stored sample with the model's response."""

    @property
    def response(self) -> str | None: ...


@runtime_checkable
class Exportable(Protocol):
    """A profiler whose benchmark has an evaluation script with an input format of its own."""

    def predictions(
        self, samples: Iterable[ScoredResponse]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The samples in that format, as JSON values; each sample has a response and scores."""
