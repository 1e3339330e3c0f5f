"""What a profiler is: requests stated, responses scored, samples averaged; all pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from llmprof.datasets import DataOptions, Dataset
from llmprof.errors import UnknownNameError
from llmprof.measures import Measure
from llmprof.records import Metric, Sample
from llmprof.requests import Answer, Request, RequestType

PROTOCOLS = ("original", "toolkit")


@dataclass(frozen=True, slots=True)
class ProfilerOptions:
    """What a user may say about how a profile is made.

    `protocol` is `original` (each benchmark as its authors define it) or `toolkit` (as the scripts
    of "LLM See, LLM Do" do it). The last three are not the user's: `chat` says whether the
    backend's model is meant to be asked with messages (`Backend.chat`), which `prompt_format`
    "auto" follows, `capabilities` what can be answered, for a profiler that has two ways, and
    `scorer_model` the model behind `toxicity_scorer`, where it may be one of several.
    """

    text_dataset: str = "dolly200_test"
    calibration_data: str | None = None
    max_new_tokens: int = 128
    seed: int = 0
    prompt_format: str = "auto"
    system_prompt: str | None = None
    protocol: str = "original"
    toxicity_samples: int = 25
    toxicity_scorer: str | None = None
    pooling: str = "mean"
    layer: int = -1
    chat: bool = False
    capabilities: frozenset[RequestType] = frozenset()
    scorer_model: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise UnknownNameError(
                f"unknown protocol {self.protocol!r}; choose one of: {', '.join(PROTOCOLS)}"
            )


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
        """The kinds of request it states, given what the backend can answer."""

    def load(self, options: DataOptions) -> Sequence[Dataset[Any]]:
        """The data sets that are profiled on; raises DataError or DataNotFoundError."""

    def requests(self, item: Any) -> Sequence[Request]:
        """What to ask about one item."""

    def score(self, item: Any, answers: Sequence[Answer]) -> Sequence[Sample]:
        """Score one item from the answers to its requests, in their order."""

    def metrics(self, samples: Sequence[Sample]) -> list[Metric]:
        """Average the samples of one whole data set."""


@runtime_checkable
class TwoStage(Protocol):
    """A profiler that asks about the answers too: a scorer's opinion of a completion."""

    def follow_up(self, item: Any, answers: Sequence[Answer]) -> Sequence[Request]:
        """What to ask once the item's first requests are answered; `score` gets both, in order."""


@runtime_checkable
class Comparable(Protocol):
    """A profiler whose results on one data set a report can compare, unit by unit.

    `settings` names the fields of `ProfilerOptions` that change what is asked or scored and that
    the version does not tell. Of a profiler without it, every option is taken to matter.
    """

    @property
    def settings(self) -> frozenset[str]: ...

    def measures(self, samples: Sequence[Sample]) -> Sequence[Measure]:
        """What `metrics` gives the numbers of, in the same order."""
