"""The calibration profile: names, units, cautions, and agreement with lm-evaluation-harness."""

import random

import calibration as reference
import numpy as np
import pytest

from llmprof.datasets import MultipleChoice
from llmprof.metrics.samples import Sample
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.calibration import Calibration
from llmprof.requests import Answer, LogLikelihood
from llmprof.responses import Failure, TokenLogProbs

OPTIONS = ("a short one", "one that is a good deal longer", "a third one")
ITEM = MultipleChoice("1", "Which?", OPTIONS, answer=1)
PROFILER = Calibration(ProfilerOptions())


def answers(totals: list[float]) -> list[Answer]:
    return [Answer("key", TokenLogProbs(total, (total,), False)) for total in totals]


def samples(n: int) -> tuple[list[Sample], np.ndarray, np.ndarray]:
    """Samples of random log-likelihoods, with the softmax of these and the right answers."""
    generator = np.random.default_rng(n)
    scores = generator.normal(-20, 2, size=(n, 3))
    right = generator.integers(3, size=n)
    made = []
    for place in range(n):
        item = MultipleChoice(str(place), "Which?", OPTIONS, int(right[place]))
        made += PROFILER.score(item, answers(scores[place].tolist()))
    powers = np.exp(scores)
    return made, powers / powers.sum(1, keepdims=True), right


def test_options_are_scored_after_the_question_once_for_both_normalisations() -> None:
    assert PROFILER.requests(ITEM) == [LogLikelihood("Which?", f" {text}") for text in OPTIONS]


def test_the_two_normalisations_may_choose_differently() -> None:
    (sample,) = PROFILER.score(ITEM, answers([-11.0, -15.0, -12.0]))
    assert sample.response == OPTIONS[0]
    assert (sample.scores["choice_raw"], sample.scores["choice_per_character"]) == (0.0, 1.0)
    assert (sample.scores["correct_raw"], sample.scores["correct_per_character"]) == (0.0, 1.0)


def test_errors_equal_the_reference_and_brier_score_equals_lm_eval() -> None:
    from lm_eval.api.metrics import brier_score

    made, beliefs, right = samples(500)
    metrics = {m.name: m for m in PROFILER.metrics(made) if m.group == "overall"}
    for name, expected in {
        "ece_1_bin_raw": reference.get_ece_em(beliefs, right, num_bins=1),
        "ece_10_bins_raw": reference.get_ece_em(beliefs, right, num_bins=10),
        "ece_10_bins_equal_width_raw": reference.get_ece(beliefs, right, num_bins=10),
        "brier_score_raw": brier_score(list(zip(right, beliefs, strict=True))),
        "accuracy_raw": float((beliefs.argmax(1) == right).mean()),
        "confidence_raw": float(beliefs.max(1).mean()),
    }.items():
        metric = metrics[name]
        assert metric.value == pytest.approx(expected, abs=1e-9), name
        assert (metric.n, metric.n_total) == (500, 500)
        assert metric.ci_low is not None and metric.ci_high is not None
        assert metric.ci_low < metric.ci_high
        assert metric.reason is None


def test_fewer_than_300_items_get_a_caution() -> None:
    for n, cautious in ((299, True), (300, False)):
        metrics = {m.name: m for m in PROFILER.metrics(samples(n)[0]) if m.group == "overall"}
        assert (metrics["ece_10_bins_raw"].reason is not None) == cautious
        assert metrics["accuracy_raw"].reason is None


def test_points_of_the_reliability_diagram_give_the_error() -> None:
    metrics = PROFILER.metrics(samples(500)[0])
    points = {
        (metric.name, metric.group): metric for metric in metrics if metric.group.startswith("bin ")
    }
    groups = sorted({group for _, group in points})
    assert groups == [f"bin {place:02}" for place in range(1, 11)]
    believed = [points["bin_confidence_raw", group] for group in groups]
    right = [points["bin_accuracy_raw", group] for group in groups]
    assert [point.value for point in believed] == sorted(point.value or 0 for point in believed)
    assert sum(point.n for point in right) == 500
    error = sum(
        point.n / 500 * abs((point.value or 0) - (hit.value or 0))
        for point, hit in zip(believed, right, strict=True)
    )
    total = next(metric.value for metric in metrics if metric.name == "ece_10_bins_raw")
    assert total == pytest.approx(error, abs=1e-9)


def test_order_of_the_items_changes_nothing() -> None:
    made, _, _ = samples(60)
    mixed = list(made)
    random.Random(1).shuffle(mixed)
    assert PROFILER.metrics(mixed) == PROFILER.metrics(made)


def test_failure_lowers_the_coverage() -> None:
    failed = PROFILER.score(ITEM, [*answers([-1.0, -2.0]), Answer("key", Failure("Timeout", "x"))])
    assert (failed[0].response, failed[0].error_class) == (None, "Timeout")
    metrics = PROFILER.metrics([*failed, *PROFILER.score(ITEM, answers([-1.0, -2.0, -3.0]))])
    assert {(m.n, m.n_total) for m in metrics if m.group == "overall"} == {(1, 2)}


def test_nothing_answered_is_null_with_a_reason() -> None:
    failed = PROFILER.score(ITEM, [Answer("key", Failure("Timeout", "x"))] * 3)
    for metric in PROFILER.metrics(failed):
        assert metric.value is None and metric.reason


def test_toolkit_scores_by_the_mean_over_tokens() -> None:
    profiler = Calibration(ProfilerOptions(protocol="toolkit"))
    assert len(profiler.requests(ITEM)) == len(ITEM.options)
    assert profiler.version != PROFILER.version
    in_context = [(-1.0, -1.0), (-3.0,), (-2.0, -2.0)]
    scored = [Answer("key", TokenLogProbs(sum(v), v, False)) for v in in_context]
    (sample,) = profiler.score(ITEM, scored)
    powers = np.exp([-1.0, -3.0, -2.0])
    assert sample.scores["confidence_per_token"] == pytest.approx(powers[0] / powers.sum())
    names = {metric.name for metric in profiler.metrics([sample])}
    assert all(name.endswith("_per_token") for name in names)
