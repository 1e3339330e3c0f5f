"""Every mean of every profile states its bounds, and no interval goes beyond them."""

import pytest

from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.datasets import DataOptions
from llmprof.metrics.intervals import UNBOUNDED, holding
from llmprof.metrics.measures import Mean, Measure, Statistic, metric_bounds
from llmprof.metrics.samples import Sample
from llmprof.metrics.text import BOUNDS
from llmprof.profilers import (
    Comparable,
    ModelFacts,
    ProfilerOptions,
    create_profiler,
    for_model,
    presentation_of,
)
from llmprof.profilers.protocol import TwoStage
from llmprof.profilers.registry import BUILT_IN
from llmprof.requests import Answer, Request
from llmprof.responses import TextScores

# The only metrics that may be any number, and their differences.
ANY_NUMBER = {
    "flesch_reading_ease",
    "flesch_kincaid_grade",
    "automated_readability_index",
    "coleman_liau_index",
}


def answer(request: Request) -> Answer:
    """One that is possible: no text metric has an upper bound below 0.5."""
    outcome = default_script(request)
    if isinstance(outcome, TextScores):
        values = {name: value and value / 2 for name, value in outcome.scores.items()}
        outcome = TextScores(values)
    return Answer("key", outcome)


def measures_of(name: str) -> list[Measure]:
    facts = ModelFacts(scorer="made", model="scripted", capabilities=ScriptedBackend().capabilities)
    profiler = for_model(create_profiler(name, ProfilerOptions()), facts)
    assert isinstance(profiler, Comparable)
    samples: list[Sample] = []
    for dataset in profiler.load(DataOptions(data="builtin", limit=5)):
        for item in dataset.items:
            answers = [answer(each) for each in profiler.requests(item)]
            if isinstance(profiler, TwoStage):
                answers += [answer(each) for each in profiler.follow_up(item, answers)]
            samples += profiler.score(item, answers)
    return list(profiler.measures(samples))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_mean_has_bounds_and_an_interval_within(name: str) -> None:
    measures = measures_of(name)
    assert measures
    presentation = presentation_of(name)
    for measure in measures:
        if isinstance(measure, Mean | Statistic):
            bounds, scale = metric_bounds(measure), presentation.scale(measure.name)
            stem = measure.name.removesuffix("_difference")
            assert (bounds is None) == (stem in ANY_NUMBER), measure.name
            if scale is not None:
                assert bounds == (scale.low, scale.high), measure.name
        metric = measure.metric()
        if metric.ci_low is not None and metric.ci_high is not None and metric.value is not None:
            ends = holding(metric_bounds(measure), metric.value, metric.value)
            assert ends[0] <= metric.ci_low <= metric.value <= metric.ci_high <= ends[1]


def test_bounds_of_differences_are_those_of_two_values() -> None:
    of_name = {each.name: each for each in measures_of("counterfactual")}
    for name, measure in of_name.items():
        stem = name.removesuffix("_difference")
        if stem != name and stem in BOUNDS:
            low, high = BOUNDS[stem]
            assert metric_bounds(measure) == (low - high, high - low)
    assert metric_bounds(of_name["n_tokens_difference"]) == UNBOUNDED
