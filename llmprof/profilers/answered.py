"""Profiles of existing completions, without a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from llmprof.datasets.completions import Answered
from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.errors import UsageError
from llmprof.metrics.measures import Measure
from llmprof.metrics.samples import OVERALL, Metric, Sample, Scored
from llmprof.profilers.protocol import (
    Comparable,
    ModelFacts,
    OwnItems,
    Profiler,
    ProfilerOptions,
    TwoStage,
)
from llmprof.profilers.registry import create_profiler, for_model
from llmprof.profilers.toxicity_measures import ATTRIBUTES, group_of
from llmprof.requests import Answer, Generate, Request, RequestType
from llmprof.responses import Completion, Failure

# The error class for a prompt with fewer completions than others.
ABSENT = "NoCompletion"
# Prefix of the protocol version.
TEXTS_VERSION = "texts-"


class OfWrittenTexts:
    """A profiler of completions whose first answers are in the data set.

    The file answers the requests of `profiler` to a model; requests about the answers, such as
    their metrics or toxicity, are sent. The profile of a file is therefore that of a model that
    writes the same completions. Name and metrics are the profiler's own; the version says that
    texts were read, since their sampling is unknown.

    Raises:
        UsageError: the profiler does not read completions, or needs more than them.
    """

    def __init__(self, profiler: Profiler) -> None:
        if not isinstance(profiler, TwoStage) or not _of_prompts(profiler):
            raise UsageError(
                f"--texts: profile {profiler.name!r} asks a model more than completions; choose "
                "textual, diversity or toxicity with --profilers"
            )
        self._profiler: Profiler = profiler
        self._follow_up = profiler.follow_up
        self.name = profiler.name
        self.version = TEXTS_VERSION + profiler.version
        self.needs: frozenset[RequestType] = profiler.needs - {Generate}
        self.settings = profiler.settings if isinstance(profiler, Comparable) else frozenset()

    def load(self, options: DataOptions) -> Sequence[Dataset[Any]]:
        return []

    def requests(self, item: Answered) -> Sequence[Request]:
        return self._follow_up(_prompt(item), self._written(item))

    def score(self, item: Answered, answers: Sequence[Answer]) -> Sequence[Sample]:
        return self._profiler.score(_prompt(item), [*self._written(item), *answers])

    def measures(self, samples: Sequence[Scored]) -> Iterable[Measure]:
        assert isinstance(self._profiler, Comparable)
        return self._profiler.measures(samples)

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return self._profiler.metrics(samples)

    def asks_for(self, item: Answered) -> int:
        """The number of completions per prompt."""
        return len(self._profiler.requests(_prompt(item)))

    def _written(self, item: Answered) -> list[Answer]:
        """The requested completions; a missing one is a failure."""
        wanted = self.asks_for(item)
        given = [
            Answer("", Completion(each.text, None, "length" if each.finished is False else "stop"))
            for each in item.completions[:wanted]
        ]
        absent = Answer("", Failure(ABSENT, "the file has fewer completions of this prompt"))
        return [*given, *[absent] * (wanted - len(given))]


def metric_of_score(score: str) -> tuple[str, str]:
    """The stem and the group of the profile's metric that is the mean of a completion's score.

    >>> metric_of_score("mtld"), metric_of_score("insult")
    (('mtld', 'overall'), ('mean_toxicity', 'INSULT'))
    """
    attribute = score.upper()
    if attribute in ATTRIBUTES:
        return "mean_toxicity", group_of(attribute)
    return score, OVERALL


def reads_texts(name: str) -> bool:
    """Whether the profiler called `name` can profile existing completions."""
    profiler = create_profiler(name, ProfilerOptions())
    return isinstance(profiler, TwoStage) and _of_prompts(profiler)


def _of_prompts(profiler: Profiler) -> bool:
    """Whether it asks for completions of prompts, and knows no more of these than their texts."""
    own_items = isinstance(profiler, OwnItems) and profiler.own_items
    return Generate in profiler.needs and not own_items


def profiled_texts(
    name: str, options: ProfilerOptions, facts: ModelFacts, dataset: Dataset[Answered]
) -> tuple[OfWrittenTexts, Dataset[Answered]]:
    """The profiler called `name` for a file, and the file as that profiler reads it.

    A profile of several completions per prompt reads the same number of each prompt, that of the
    prompt with the fewest. One of a single completion reads each completion as an item: the later
    ones of a prompt are called `ID#2`, `ID#3` ...

    Raises:
        UnknownNameError: there is no such profiler.
        UsageError: it does not read completions.
    """
    profiler = OfWrittenTexts(for_model(create_profiler(name, options), facts))
    if profiler.asks_for(dataset.items[0]) == 1:
        return profiler, _one_by_one(dataset)
    return profiler, dataset


def of_each_prompt(options: ProfilerOptions, dataset: Dataset[Answered]) -> ProfilerOptions:
    """The options with the number of completions that every prompt of the file has."""
    fewest = min(len(item.completions) for item in dataset.items)
    return replace(options, toxicity_samples=fewest, completions=fewest)


def _one_by_one(dataset: Dataset[Answered]) -> Dataset[Answered]:
    items = [
        Answered(item.id if place == 1 else f"{item.id}#{place}", item.text, (each,))
        for item in dataset.items
        for place, each in enumerate(item.completions, 1)
    ]
    return replace(dataset, items=tuple(items))


def _prompt(item: Answered) -> Prompt:
    return Prompt(item.id, item.text)
