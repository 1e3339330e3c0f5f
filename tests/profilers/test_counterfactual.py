"""Counterfactual prompts: scripted models with a known bias; the co-occurrence score by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from llmprof.backends.scripted import ScriptedBackend
from llmprof.datasets import DataOptions
from llmprof.datasets.counterfactual import CounterfactualPrompt, load_counterfactual
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ModelFacts, ProfilerOptions
from llmprof.profilers.cooccurrence import cooccurrence_measures, cooccurrences
from llmprof.profilers.counterfactual import TEXT_METRICS, Counterfactual
from llmprof.requests import Answer, DescribeText, Generate, Outcome, Request, Toxicity
from llmprof.responses import Completion, Failure, TextScores, ToxicityScores
from tests.backends.asking import MemorySink, ask

FACTS = ModelFacts(scorer="s", scorer_model="m")
PROFILER = Counterfactual(ProfilerOptions(completions=2), FACTS)
ITEMS = load_counterfactual(DataOptions(data="builtin")).items
Model = Callable[[str], str]


def answer(request: Request, write: Model) -> Outcome:
    """A model that `write`s, a scorer that finds "bad" words, and counted words."""
    if isinstance(request, Generate):
        assert isinstance(request.prompt, str)
        return Completion(write(request.prompt), 5, "stop")
    if isinstance(request, Toxicity):
        return ToxicityScores({"TOXICITY": 0.9 if "bad" in request.text else 0.1})
    assert isinstance(request, DescribeText)
    words = float(len(request.text.split()))
    return TextScores({name: words if name == "n_tokens" else None for name in request.metrics})


def profiled(write: Model) -> dict[tuple[str, str], Metric]:
    kinds = frozenset({Generate, Toxicity, DescribeText})
    backend = ScriptedBackend(lambda request: answer(request, write), capabilities=kinds)
    samples: list[Sample] = []
    for item in ITEMS:
        stated = PROFILER.requests(item)
        first = [Answer("k", each) for each in ask(backend, stated, MemorySink())]
        asked = PROFILER.follow_up(item, first)
        second = [Answer("k", each) for each in ask(backend, asked, MemorySink())]
        samples += PROFILER.score(item, [*first, *second])
    return {(each.name, each.group): each for each in PROFILER.metrics(samples)}


def test_a_model_that_is_rude_to_one_group_is_found() -> None:
    metrics = profiled(lambda prompt: "bad" if "Muslim" in prompt else "all is well here")
    found = metrics["toxicity_difference:s", "Muslim - Christian"]
    assert found.value == pytest.approx(0.8) and found.unit == "prompts"
    assert metrics["toxicity_difference:s", "Jewish - Muslim"].value == pytest.approx(-0.8)
    assert metrics["toxicity_difference:s", "Hindu - Christian"].value == 0.0
    assert metrics["toxicity_difference:s", "male - female"].value == 0.0
    assert metrics["n_tokens_difference", "Muslim - Christian"].value == -3.0
    assert metrics["mean_toxicity:s", "religion: Muslim"].value == pytest.approx(0.9)


def test_a_model_that_treats_all_alike_has_no_differences_and_still_an_interval() -> None:
    metrics = profiled(lambda prompt: "all is well")
    for (name, _), metric in metrics.items():
        if name == "toxicity_difference:s":
            assert metric.value == 0.0
            assert metric.ci_low is not None and metric.ci_low < 0 < (metric.ci_high or 0)
    assert metrics["cooccurrence_bias", "gender"].value is None
    assert metrics["cooccurrence_bias", "gender"].reason


def test_every_version_is_asked_k_times_and_paired_by_its_prompt() -> None:
    item = next(each for each in ITEMS if each.attribute == "race")
    asked = [each for each in PROFILER.requests(item) if isinstance(each, Generate)]
    assert [each.sample for each in asked] == [0, 1] * 4
    assert len({each.prompt for each in asked}) == 4
    samples = PROFILER.score(item, [Answer("k", Failure("Timeout", ""))] * 8)
    assert [each.group for each in samples[::2]] == [f"race: {name}" for name, _ in item.versions]
    assert {each.error_class for each in samples} == {"Timeout"}
    assert PROFILER.version == "2-sampled-by-s(m)-1"
    of_style = ProfilerOptions(metrics="style_bold", completions=2)
    assert Counterfactual(of_style, FACTS).version == "2-sampled-by-s(m)-2"
    named = Counterfactual(ProfilerOptions(metrics="mtld"), FACTS)
    (described,) = (
        each
        for each in named.follow_up(item, [Answer("k", Completion("Hm.", 1, "stop"))])
        if isinstance(each, DescribeText)
    )
    assert (described.metrics, "mtld" in TEXT_METRICS) == (("mtld",), True)


def test_a_blank_completion_has_no_toxicity() -> None:
    item = CounterfactualPrompt("1", "gender", (("female", "she"), ("male", "he")))
    blank = Answer("k", Completion(" ", 1, "stop"))
    (request,) = PROFILER.follow_up(item, [blank])
    assert isinstance(request, DescribeText)
    described = Answer("k", TextScores({"n_tokens": 0.0}))
    samples = PROFILER.score(item, [blank] * 4 + [described] * 4)
    assert [dict(each.scores) for each in samples] == [{"n_tokens": 0.0}] * 4


def score_of(*texts: str) -> Metric:
    samples = [
        Sample(str(place), "", text, cooccurrences(text)) for place, text in enumerate(texts)
    ]
    (measure,) = cooccurrence_measures(samples)
    return measure.metric()


def test_the_cooccurrence_score_by_hand() -> None:
    """Near `she`: nurse at distances 1 and 2, table at 1; near `he`: nurse at 3, chair at 1."""
    b = 0.95
    metric = score_of("She nurse. Nurse!", "she table", "he chair of the nurse")
    near_she, near_he = b + b**2, b**4
    all_she, all_he = near_she + b, near_he + b
    # Of 2 words of the one and 1 word of the other group.
    expected = abs(math.log10((near_she / (all_she * 2)) / (near_he / (all_he * 1))))
    assert metric.value == pytest.approx(expected)
    assert metric.n == 3


def test_texts_that_mirror_each_other_have_no_cooccurrence_bias() -> None:
    metric = score_of("She is a strong nurse.", "He is a strong nurse.", "The sky is blue.")
    assert metric.value == pytest.approx(0.0, abs=1e-12)
    assert (metric.n, metric.n_total) == (2, 3)
    assert score_of("She is a nurse.").value is None
