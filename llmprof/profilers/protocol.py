"""What a profiler is: requests stated, responses scored, samples averaged; all pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from llmprof.datasets import DataOptions, Dataset
from llmprof.engine import Answer
from llmprof.records import Metric, Sample
from llmprof.requests import Request, RequestType


@dataclass(frozen=True, slots=True)
class ProfilerOptions:
    """What a user may say about how a profile is made.

    `chat` is not the user's: it says whether the backend's model is meant to be asked with
    messages (`Backend.chat`), which `prompt_format` "auto" follows.
    """

    text_dataset: str = "dolly200_test"
    max_new_tokens: int = 128
    seed: int = 0
    prompt_format: str = "auto"
    system_prompt: str | None = None
    chat: bool = False


class Profiler(Protocol):
    """States requests for a data set's items and scores the answers.

    `version` names the protocol: numbers made under different versions are never compared.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def needs(self) -> frozenset[RequestType]: ...

    def load(self, options: DataOptions) -> Sequence[Dataset[Any]]:
        """The data sets that are profiled on; raises DataError or DataNotFoundError."""

    def requests(self, item: Any) -> Sequence[Request]:
        """What to ask about one item."""

    def score(self, item: Any, answers: Sequence[Answer]) -> Sample:
        """Score one item from the answers to its requests, in their order."""

    def metrics(self, samples: Sequence[Sample]) -> list[Metric]:
        """Average the samples of one whole data set."""
