"""ECE equals the package `uncertainty-calibration`, which HELM uses, and behaves as it should."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import calibration as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.metrics.differences import Difference
from llmprof.metrics.intervals import excludes_zero
from llmprof.metrics.measures import difference
from llmprof.profilers.calibration_error import (
    CalibrationError,
    equal_mass_bins,
    equal_width_bins,
    estimate_error,
)

Array = np.ndarray

# Few distinct values, so that many items are equally confident. The references part two values at
# their mean, which of neighbouring floats is one of the two: so none are nearer than 1e-9.
confidences = st.one_of(
    st.floats(0.01, 1.0).map(lambda value: round(value, 9)),
    st.sampled_from([0.25, 0.5, 0.5000001, 1.0]),
)
scored_items = st.lists(st.tuples(confidences, st.integers(0, 1)), min_size=1, max_size=60)


def equal_mass_error(confidence: Array, correct: Array, bins: int) -> float:
    return estimate_error(confidence, correct, equal_mass_bins(confidence, bins)).observed


def equal_width_error(confidence: Array, correct: Array, bins: int) -> float:
    return estimate_error(confidence, correct, equal_width_bins(confidence, bins)).observed


def arrays(items: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = zip(*items, strict=True)
    return np.asarray(confidence), np.asarray(correct)


@settings(max_examples=200)
@given(scored_items, st.sampled_from([1, 2, 10, 15]))
def test_equal_mass_error_is_the_references(items: list[tuple[float, int]], bins: int) -> None:
    confidence, correct = arrays(items)
    ours = equal_mass_error(confidence, correct, bins)
    theirs = reference.get_ece_em(confidence, correct, num_bins=bins)
    assert ours == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=200)
@given(scored_items, st.sampled_from([1, 10]))
def test_equal_width_error_is_the_references(items: list[tuple[float, int]], bins: int) -> None:
    confidence, correct = arrays(items)
    ours = equal_width_error(confidence, correct, bins)
    assert ours == pytest.approx(reference.get_ece(confidence, correct, num_bins=bins), abs=1e-9)


@pytest.mark.parametrize("n", [11, 500, 10_042])
def test_equal_mass_error_of_beliefs_over_four_options(n: int) -> None:
    generator = np.random.default_rng(n)
    beliefs = generator.dirichlet(np.ones(4), size=n)
    answers = generator.integers(4, size=n)
    correct = (beliefs.argmax(1) == answers).astype(float)
    for bins in (1, 10):
        ours = equal_mass_error(beliefs.max(1), correct, bins)
        theirs = reference.get_ece_em(beliefs, answers, num_bins=bins, mode="top-label")
        assert ours == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=50)
@given(scored_items, st.randoms())
def test_order_changes_nothing(items: list[tuple[float, int]], shuffler: random.Random) -> None:
    mixed = list(items)
    shuffler.shuffle(mixed)
    for make in (equal_mass_error, equal_width_error):
        ours = make(*arrays(items), 10)
        assert make(*arrays(mixed), 10) == pytest.approx(ours, abs=1e-12)


def test_calibrated_sampler_has_an_error_near_zero() -> None:
    generator = np.random.default_rng(3)
    confidence = generator.uniform(0.25, 1.0, size=20_000)
    correct = (generator.uniform(size=20_000) < confidence).astype(float)
    for make in (equal_mass_error, equal_width_error):
        assert make(confidence, correct, 10) < 0.01
    # Certain and always wrong is the worst.
    assert equal_mass_error(np.ones(50), np.zeros(50), 10) == 1.0


def test_one_bin_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence, correct = np.asarray([0.9, 0.8, 0.4]), np.asarray([1.0, 0.0, 0.0])
    assert equal_mass_error(confidence, correct, 1) == pytest.approx(0.7 - 1 / 3)


def test_bins_hold_equally_many_and_equals_stay_together() -> None:
    confidence = np.linspace(0.1, 1.0, 25)
    counts = np.bincount(equal_mass_bins(confidence, 10))
    assert sorted(counts.tolist()) == [2] * 5 + [3] * 5
    assert set(equal_mass_bins(np.full(25, 0.5), 10).tolist()) == {0}


# --- without chance, and intervals ----------------------------------------------------------------


def measure(
    confidence: Array, correct: Array, *, debiased: bool = True, bins: int = 10
) -> CalibrationError:
    pairs = list(zip(confidence.tolist(), correct.tolist(), strict=True))
    units = [str(place) for place in range(len(pairs))]
    binning = partial(equal_mass_bins, bins=bins)
    return CalibrationError("ece", units, pairs, binning, len(pairs), debiased)


def drawn(
    generator: np.random.Generator, n: int, right: Callable[[Array], Array]
) -> tuple[Array, Array]:
    confidence = generator.uniform(0.25, 1.0, size=n)
    return confidence, (generator.random(n) < right(confidence)).astype(float)


def test_the_debiased_error_expects_what_was_observed() -> None:
    """Against draws: of models with this error and these bins, the mean of what is observed."""
    generator = np.random.default_rng(0)
    confidence, correct = drawn(generator, 400, lambda belief: belief - 0.1)
    bins = equal_mass_bins(confidence, 10)
    estimate = estimate_error(confidence, correct, bins)
    assert 0.0 < estimate.low < estimate.debiased < estimate.observed
    # A model that is as far off in every bin.
    accuracy = np.clip(confidence - estimate.debiased, 0.0, 1.0)
    again = [
        estimate_error(confidence, (generator.random(400) < accuracy) * 1.0, bins).observed
        for _ in range(200)
    ]
    assert np.mean(again) == pytest.approx(estimate.observed, abs=0.01)


def test_a_calibrated_model_is_not_far_from_zero() -> None:
    generator = np.random.default_rng(1)
    found = [measure(*drawn(generator, 200, lambda belief: belief)).metric() for _ in range(50)]
    plain = [
        measure(*drawn(generator, 200, lambda belief: belief), debiased=False).metric()
        for _ in range(50)
    ]
    assert np.mean([metric.value for metric in found]) < np.mean([m.value for m in plain]) / 3
    for metrics in (found, plain):
        assert sum(metric.ci_low == 0.0 for metric in metrics) >= 45
        for metric in metrics:
            assert metric.value is not None
            assert metric.ci_low is not None and metric.ci_high is not None
            assert metric.ci_low <= metric.value <= metric.ci_high


def test_with_many_questions_chance_adds_nothing() -> None:
    confidence, correct = drawn(np.random.default_rng(2), 50_000, lambda belief: belief**2)
    estimate = estimate_error(confidence, correct, equal_mass_bins(confidence, 10))
    gap = confidence - correct
    half = 1.96 * gap.std() / np.sqrt(50_000)
    assert estimate.debiased == pytest.approx(estimate.observed, abs=0.02 * half)
    ends = estimate.observed - half, estimate.observed + half
    assert (estimate.low, estimate.high) == pytest.approx(ends, abs=0.2 * half)


@settings(max_examples=100)
@given(scored_items)
def test_every_interval_holds_its_value(items: list[tuple[float, int]]) -> None:
    for debiased in (False, True):
        metric = measure(*arrays(items), debiased=debiased).metric()
        assert metric.value is not None and 0.0 <= metric.value <= 1.0
        if len(items) > 1:
            assert metric.ci_low is not None and metric.ci_high is not None
            assert 0.0 <= metric.ci_low <= metric.value <= metric.ci_high <= 1.0


def test_certain_and_right_has_no_error_and_an_interval() -> None:
    metric = measure(np.ones(40), np.ones(40)).metric()
    assert (metric.value, metric.ci_low) == (0.0, 0.0)
    nothing = CalibrationError("ece", [], [], partial(equal_mass_bins, bins=10), 3).metric()
    assert nothing.value is None and nothing.reason


def changes(n: int, rounds: int, right: Callable[[Array], Array]) -> list[Difference]:
    generator = np.random.default_rng(n)
    found = []
    for _ in range(rounds):
        before = measure(*drawn(generator, n, lambda belief: belief), debiased=False)
        after = measure(*drawn(generator, n, right), debiased=False)
        change = difference(before, after)
        assert isinstance(change, Difference)
        found.append(change)
    return found


def test_a_worse_model_is_told_from_a_calibrated_one() -> None:
    worse = changes(1_000, 20, lambda belief: belief - 0.2)
    assert all(change.value is not None and change.value > 0.1 for change in worse)
    assert all(excludes_zero(change.ci_low, change.ci_high) for change in worse)


def test_two_calibrated_models_are_not_told_apart() -> None:
    same = changes(100, 200, lambda belief: belief)
    assert sum(excludes_zero(change.ci_low, change.ci_high) for change in same) <= 14


# A coarse version of `benchmarks/coverage.py`.
ROUNDS = 200


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 50, 500])
@pytest.mark.parametrize(
    ("right", "error"),
    [
        (lambda belief: belief, 0.0),
        (lambda belief: belief - 0.1, 0.1),
        (lambda belief: belief**2, 0.1875),
    ],
    ids=["calibrated", "sure by 0.1", "squared"],
)
def test_intervals_cover_the_error(n: int, right: Callable[[Array], Array], error: float) -> None:
    generator = np.random.default_rng(n)
    covered = 0
    for _ in range(ROUNDS):
        metric = measure(*drawn(generator, n, right)).metric()
        assert metric.ci_low is not None and metric.ci_high is not None
        covered += metric.ci_low <= error <= metric.ci_high
    assert covered >= 0.9 * ROUNDS
