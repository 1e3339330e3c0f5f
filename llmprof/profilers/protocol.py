"""Protocols of profilers: state requests, score answers, average samples, all without I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from llmprof.datasets import DataOptions, Dataset
from llmprof.metrics.intervals import Bounds
from llmprof.metrics.measures import Measure
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.options import ProfilerOptions as ProfilerOptions
from llmprof.profilers.presentation import Presentation
from llmprof.requests import Answer, Request, RequestType


@dataclass(frozen=True, slots=True)
class ScorerFacts:
    """Facts about one scorer of a run for a profile.

    `categories` are those of a policy, by the scorer's own names; a toxicity scorer has none.
    `bridges` are the contents of bridge files for this scorer.
    """

    name: str
    model: str | None
    categories: tuple[str, ...] = ()
    bridges: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """Facts about a model that are known once its backend exists; not options.

    `chat` says whether the model takes messages (`Backend.chat`), which `prompt_format` "auto"
    follows, and `system_role` whether these may begin with a system message. `capabilities` are
    those of the backend and the scorer, for a profile with two methods. `scorer` is the toxicity
    scorer, and `scorer_model` its model, if it can have several. `scorers` are all scorers of a run
    with several, or with a policy. `whole_texts` says whether the model gives a text without
    context a likelihood. `model` is its name, for metrics whose names contain it.
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
    """A profiler that declares the options that it reads; others are refused.

    `reads` names fields of `ProfilerOptions` beyond those of every profile: how the model is asked
    (`PromptOptions`) and the protocol. A profiler without it is given all of them.
    """

    @property
    def reads(self) -> frozenset[str]: ...


@runtime_checkable
class ModelDependent(Protocol):
    """A profiler whose requests, scores or version depend on the model."""

    def for_model(self, facts: ModelFacts) -> Profiler:
        """The profiler for the model with these facts."""


@runtime_checkable
class WholeTextScorer(Protocol):
    """A profiler that needs likelihoods of texts without context if `whole_texts` is true."""

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
    """A profiler that declares how its results are shown; for others, reports only show numbers."""

    @property
    def presentation(self) -> Presentation: ...


@dataclass(frozen=True, slots=True)
class CompletionScores:
    """What a profiler finds out about a single completion, whoever wrote it.

    `names` are the scores as `llmprof select` calls them, each of a meaning of its own; `bounds`
    are the least and the greatest value of those that have one, as `mean_interval` takes them.
    `request` states, with a text and names, a request of the kind `kind`; `read` takes the scores
    from its answer, or says why there are none. Without `request`, `kind` is `Generate`, and `read`
    takes them from the completion itself by rules, whose name is `rules`.
    """

    kind: RequestType
    names: tuple[str, ...]
    bounds: Mapping[str, Bounds]
    read: Callable[[Answer], tuple[Mapping[str, float | None], str | None]]
    request: Callable[[str, tuple[str, ...]], Request] | None = None
    rules: str | None = None

    def about(self, text: str) -> Sequence[Request]:
        """The request for these scores of a text; none if they are read from the completion."""
        return [] if self.request is None else [self.request(text, self.names)]


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
    """A profiler whose benchmark has an evaluation script with its own input format."""

    def predictions(
        self, samples: Iterable[ScoredResponse]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """The samples in that format, as JSON values; each sample has a response and scores."""
