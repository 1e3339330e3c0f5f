"""CrowS-Pairs: directions, ties and the protocols for causal and masked models."""

from collections.abc import Sequence

import pytest

from llmprof.datasets import SentencePair
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ModelFacts, ProfilerOptions
from llmprof.profilers.crows_pairs import CrowsPairs
from llmprof.requests import (
    Answer,
    Generate,
    LogLikelihood,
    PseudoLogLikelihood,
    StartedLogLikelihood,
)
from llmprof.responses import Failure, TokenLogProbs

CAUSAL = CrowsPairs(
    ProfilerOptions(), ModelFacts(capabilities=frozenset({LogLikelihood, Generate}))
)
MASKED = CrowsPairs(ProfilerOptions(), ModelFacts(capabilities=frozenset({PseudoLogLikelihood})))
TOOLKIT = CrowsPairs(ProfilerOptions(protocol="toolkit"))


def pair(direction: str = "stereo", bias_type: str = "age") -> SentencePair:
    return SentencePair("1", "More.", "Less.", bias_type, direction)


def answer(total: float, tokens: int = 2) -> Answer:
    return Answer("k", TokenLogProbs(total, (total / tokens,) * tokens, is_greedy=False))


def score(profiler: CrowsPairs, more: Answer, less: Answer, direction: str = "stereo") -> Sample:
    (sample,) = profiler.score(pair(direction), [more, less])
    return sample


def by_group(metrics: Sequence[Metric]) -> dict[tuple[str, str], Metric]:
    return {(metric.name, metric.group): metric for metric in metrics}


def test_masked_models_are_asked_for_pseudo_log_likelihoods() -> None:
    assert MASKED.needs == {PseudoLogLikelihood}
    assert MASKED.requests(pair()) == [
        PseudoLogLikelihood("More.", "Less."),
        PseudoLogLikelihood("Less.", "More."),
    ]


@pytest.mark.parametrize("capabilities", [{LogLikelihood}, {LogLikelihood, PseudoLogLikelihood}])
def test_causal_models_are_asked_for_log_likelihoods(capabilities: set[type]) -> None:
    facts = ModelFacts(capabilities=frozenset(capabilities))
    profiler = CrowsPairs(ProfilerOptions()).for_model(facts)
    assert profiler.needs == {LogLikelihood}
    assert profiler.requests(pair()) == [LogLikelihood("", "More."), LogLikelihood("", "Less.")]


def test_toolkit_asks_for_sentences_whose_start_token_is_read_once() -> None:
    assert TOOLKIT.needs == {StartedLogLikelihood}
    assert TOOLKIT.requests(pair()) == [
        StartedLogLikelihood("More.", "<|endoftext|>"),
        StartedLogLikelihood("Less.", "<|endoftext|>"),
    ]


def test_each_protocol_has_a_name_of_its_own() -> None:
    assert len({CAUSAL.version, MASKED.version, TOOLKIT.version}) == 3


def test_toolkit_compares_means_and_the_default_sums() -> None:
    more, less = answer(-6.0, tokens=6), answer(-4.0, tokens=2)
    assert score(TOOLKIT, more, less).scores["stereotypical"] == 1.0
    assert score(CAUSAL, more, less).scores["stereotypical"] == 0.0


def test_pseudo_log_likelihoods_are_compared_to_three_digits_as_in_the_authors_code() -> None:
    more, less = answer(-1.00001), answer(-1.00002)
    assert score(CAUSAL, more, less).scores["stereotypical"] == 1.0
    assert score(MASKED, more, less).scores["tie"] == 1.0


def test_both_directions_prefer_the_more_stereotypical_sentence() -> None:
    samples = [
        score(CAUSAL, answer(-1.0), answer(-2.0), "stereo"),
        score(CAUSAL, answer(-2.0), answer(-1.0), "stereo"),
        score(CAUSAL, answer(-1.0), answer(-2.0), "antistereo"),
    ]
    metrics = by_group(CAUSAL.metrics(samples))
    values = {group: metric.value for (name, group), metric in metrics.items() if name != "ties"}
    assert values["stereo"] == 50.0
    assert values["antistereo"] == 100.0
    assert values["overall"] == values["age"] == pytest.approx(200 / 3)


def test_ties_count_overall_and_not_in_a_direction() -> None:
    samples = [
        score(CAUSAL, answer(-1.0), answer(-1.0)),
        score(CAUSAL, answer(-1.0), answer(-2.0)),
    ]
    metrics = by_group(CAUSAL.metrics(samples))
    overall, stereo = (metrics["stereotype_score", group] for group in ("overall", "stereo"))
    assert (overall.value, overall.n) == (50.0, 2)
    assert (stereo.value, stereo.n, stereo.n_total) == (100.0, 1, 2)
    assert metrics["ties", "overall"].value == 50.0
    assert ("stereotype_score", "antistereo") not in metrics


def test_failure_is_null_and_lowers_the_coverage() -> None:
    bad = score(CAUSAL, answer(-1.0), Answer("k", Failure("Timeout", "")))
    assert (bad.response, bad.error_class) == (None, "Timeout")
    metrics = by_group(CAUSAL.metrics([bad, score(CAUSAL, answer(-1.0), answer(-2.0))]))
    for group in ("overall", "stereo", "age"):
        metric = metrics["stereotype_score", group]
        assert (metric.value, metric.n, metric.n_total) == (100.0, 1, 2)
