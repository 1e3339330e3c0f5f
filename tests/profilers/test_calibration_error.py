"""ECE equals the package `uncertainty-calibration`, which HELM uses, and behaves as it should."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import calibration as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.metrics.bootstrap import statistic_interval
from llmprof.profilers.calibration_error import (
    equal_mass_bins,
    equal_mass_error,
    equal_width_error,
)

if TYPE_CHECKING:
    from llmprof.metrics.bootstrap import Statistic

# Few distinct values, so that many items are equally confident. The references part two values at
# their mean, which of neighbouring floats is one of the two: so none are nearer than 1e-9.
confidences = st.one_of(
    st.floats(0.01, 1.0).map(lambda value: round(value, 9)),
    st.sampled_from([0.25, 0.5, 0.5000001, 1.0]),
)
scored_items = st.lists(st.tuples(confidences, st.integers(0, 1)), min_size=1, max_size=60)


def value(statistic: Statistic, n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


def arrays(items: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
    confidence, correct = zip(*items, strict=True)
    return np.asarray(confidence), np.asarray(correct)


@settings(max_examples=200)
@given(scored_items, st.sampled_from([1, 2, 10, 15]))
def test_equal_mass_error_is_the_references(items: list[tuple[float, int]], bins: int) -> None:
    confidence, correct = arrays(items)
    ours = value(equal_mass_error(confidence, correct, bins), len(items))
    theirs = reference.get_ece_em(confidence, correct, num_bins=bins)
    assert ours == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=200)
@given(scored_items, st.sampled_from([1, 10]))
def test_equal_width_error_is_the_references(items: list[tuple[float, int]], bins: int) -> None:
    confidence, correct = arrays(items)
    ours = value(equal_width_error(confidence, correct, bins), len(items))
    assert ours == pytest.approx(reference.get_ece(confidence, correct, num_bins=bins), abs=1e-9)


@pytest.mark.parametrize("n", [11, 500, 10_042])
def test_equal_mass_error_of_beliefs_over_four_options(n: int) -> None:
    generator = np.random.default_rng(n)
    beliefs = generator.dirichlet(np.ones(4), size=n)
    answers = generator.integers(4, size=n)
    correct = (beliefs.argmax(1) == answers).astype(float)
    for bins in (1, 10):
        ours = value(equal_mass_error(beliefs.max(1), correct, bins), n)
        theirs = reference.get_ece_em(beliefs, answers, num_bins=bins, mode="top-label")
        assert ours == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=50)
@given(scored_items, st.integers(0, 2**32 - 1))
def test_weights_are_repetitions(items: list[tuple[float, int]], seed: int) -> None:
    """A resample's error is that of the items, each as often as it was drawn."""
    confidence, correct = arrays(items)
    n = len(items)
    weights = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=3).astype(float)
    for make in (equal_mass_error, equal_width_error):
        drawn = make(confidence, correct, 10)(weights)
        for row, error in zip(weights.astype(int), drawn, strict=True):
            again = make(np.repeat(confidence, row), np.repeat(correct, row), 10)
            assert error == pytest.approx(value(again, n), abs=1e-9)


@settings(max_examples=50)
@given(scored_items, st.randoms())
def test_order_changes_nothing(items: list[tuple[float, int]], shuffler: random.Random) -> None:
    mixed = list(items)
    shuffler.shuffle(mixed)
    for make in (equal_mass_error, equal_width_error):
        ours = value(make(*arrays(items), 10), len(items))
        assert value(make(*arrays(mixed), 10), len(items)) == pytest.approx(ours, abs=1e-12)


def test_calibrated_sampler_has_an_error_near_zero() -> None:
    generator = np.random.default_rng(3)
    confidence = generator.uniform(0.25, 1.0, size=20_000)
    correct = (generator.uniform(size=20_000) < confidence).astype(float)
    for make in (equal_mass_error, equal_width_error):
        assert value(make(confidence, correct, 10), 20_000) < 0.01
    # Certain and always wrong is the worst.
    assert value(equal_mass_error(np.ones(50), np.zeros(50), 10), 50) == 1.0


def test_one_bin_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence, correct = np.asarray([0.9, 0.8, 0.4]), np.asarray([1.0, 0.0, 0.0])
    assert value(equal_mass_error(confidence, correct, 1), 3) == pytest.approx(0.7 - 1 / 3)


def test_bins_hold_equally_many_and_equals_stay_together() -> None:
    confidence = np.linspace(0.1, 1.0, 25)
    counts = np.bincount(equal_mass_bins(confidence, 10))
    assert sorted(counts.tolist()) == [2] * 5 + [3] * 5
    assert set(equal_mass_bins(np.full(25, 0.5), 10).tolist()) == {0}


def test_interval_is_that_of_a_slow_bootstrap() -> None:
    generator = np.random.default_rng(7)
    confidence = generator.uniform(0.25, 1.0, size=400)
    correct = (generator.uniform(size=400) < confidence**2).astype(float)
    interval = statistic_interval([1] * 400, equal_mass_error(confidence, correct, 10))
    drawn = []
    for _ in range(1000):
        chosen = generator.integers(400, size=400)
        drawn.append(
            reference.get_ece_em(confidence[chosen], correct[chosen].astype(int), num_bins=10)
        )
    assert interval == pytest.approx(tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.01)
