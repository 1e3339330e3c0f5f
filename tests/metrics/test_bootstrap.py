"""Averages and their intervals."""

import math
import random

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.metrics.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    SEED,
    bootstrap_interval,
    bootstrap_statistic,
    counted_weights,
    even_weights,
    mean_metric,
    paired_difference,
    statistic_interval,
    statistic_metric,
)

values_of_metrics = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40)


@settings(max_examples=30)
@given(values_of_metrics)
def test_interval_lies_within_the_values_and_is_reproducible(values: list[float]) -> None:
    interval = bootstrap_interval(values)
    assert interval is not None
    low, high = interval
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert min(values) - slack <= low <= high <= max(values) + slack
    assert bootstrap_interval(values) == interval


def test_interval_is_near_the_normal_one_for_many_values() -> None:
    generator = random.Random(1)
    values = [generator.gauss(5.0, 2.0) for _ in range(2000)]
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    half = 1.96 * deviation / math.sqrt(len(values))
    interval = bootstrap_interval(values)
    assert interval is not None
    assert interval[0] == pytest.approx(mean - half, abs=0.15 * half)
    assert interval[1] == pytest.approx(mean + half, abs=0.15 * half)


@pytest.mark.parametrize("size", [2, 3, 50, 2_500])
def test_interval_of_a_mean_is_scipys(size: int) -> None:
    values = np.random.default_rng(size).exponential(size=size)
    theirs = scipy.stats.bootstrap(
        (np.sort(values),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, 2_000_000 // size),
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    # To be compared with what other versions stored, it must be the same draw, not only near it.
    assert bootstrap_interval(values.tolist()) == pytest.approx(tuple(theirs), rel=1e-12)


def test_kept_draws_are_those_that_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn() -> list[np.ndarray]:
        kinds = (even_weights(300, 50), counted_weights([1, 700, 299], 50))
        return [np.concatenate(list(kind)) for kind in kinds]

    first, again = drawn(), drawn()
    monkeypatch.setattr("llmprof.metrics.bootstrap._KEPT_CELLS", 0)
    monkeypatch.setattr("llmprof.metrics.bootstrap._BATCH_CELLS", 1_000)
    for kept, kept_again, drawn_anew in zip(first, again, drawn(), strict=True):
        assert np.array_equal(kept, kept_again) and np.array_equal(kept, drawn_anew)
    assert {weights.sum() for weights in first} == {300 * 50, 1_000 * 50}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_end_of_an_interval_is_beyond_the_largest_float() -> None:
    assert bootstrap_interval([0.0, 1.797693134336922e308]) is None
    assert bootstrap_interval([-1.7e308, 1.7e308]) is None
    metric = mean_metric("m", [0.0, 1.797693134336922e308])
    assert metric.value == pytest.approx(8.98846567168461e307)
    assert (metric.ci_low, metric.ci_high) == (None, None)


def test_one_value_has_no_interval() -> None:
    assert bootstrap_interval([1.0]) is None
    metric = mean_metric("m", [3.0])
    assert (metric.value, metric.ci_low, metric.ci_high, metric.n) == (3.0, None, None, 1)


def test_undefined_values_lower_the_coverage_not_the_mean() -> None:
    metric = mean_metric("m", [1.0, None, 3.0, float("nan")])
    assert (metric.value, metric.n, metric.n_total) == (2.0, 2, 4)


def test_nothing_defined_is_null_with_a_reason() -> None:
    metric = mean_metric("m", [None, None])
    assert metric.value is None
    assert metric.reason
    assert (metric.n, metric.n_total) == (0, 2)


def test_paired_difference_is_over_the_pairs_that_have_both() -> None:
    difference = paired_difference([(1.0, 1.0), (0.0, 1.0), (None, 4.0), (5.0, None)])
    assert (difference.value, difference.n) == (0.5, 2)
    assert paired_difference([(1.0, None)]).value is None
    single = paired_difference([(1.0, 3.0)])
    assert (single.value, single.ci_low, single.n) == (2.0, None, 1)


def test_paired_interval_is_narrower_than_that_of_unpaired_models() -> None:
    """Both models find the same items hard: pairing takes that out."""
    generator = random.Random(3)
    pairs = []
    for _ in range(400):
        hardness = generator.gauss(0, 5)
        pairs.append((hardness + generator.gauss(0, 0.5), hardness + 0.3 + generator.gauss(0, 0.5)))
    difference = paired_difference(pairs)
    assert difference.ci_low is not None and difference.ci_high is not None
    assert 0 < difference.ci_low < 0.3 < difference.ci_high
    opposite = paired_difference((after, before) for before, after in pairs)
    assert opposite.ci_high == pytest.approx(-difference.ci_low, abs=0.02)


@given(values_of_metrics, st.randoms())
def test_order_of_the_values_changes_nothing(values: list[float], shuffler: random.Random) -> None:
    mixed = list(values)
    shuffler.shuffle(mixed)
    assert mean_metric("m", mixed) == mean_metric("m", values)


def test_interval_of_a_statistic_is_that_of_the_mean_when_it_is_the_mean() -> None:
    values = np.random.default_rng(0).exponential(size=500)
    mean = bootstrap_interval(values.tolist())
    ours = statistic_interval([1] * 500, lambda weights: weights @ values / weights.sum(1))
    assert ours == pytest.approx(mean, abs=0.02)


def test_equal_items_may_share_a_row() -> None:
    interval = statistic_interval(
        [30, 70], lambda weights: weights @ np.asarray([1.0, 0.0]) / weights.sum(1)
    )
    half = 1.96 * math.sqrt(0.3 * 0.7 / 100)
    assert interval == pytest.approx((0.3 - half, 0.3 + half), abs=0.02)


def test_resamples_without_a_value_are_left_out() -> None:
    def ratio(weights: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return weights[:, 0] / weights[:, 1]

    # About one resample in eight of these four items has no item of the second row.
    low, high = statistic_interval([2, 2], ratio) or (math.nan, math.nan)
    assert 0 <= low < high <= 3
    assert statistic_interval([4], lambda weights: weights[:, 0] * math.nan) is None
    assert statistic_interval([1], lambda weights: weights[:, 0]) is None


def test_statistic_that_is_not_defined_is_null_with_its_reason() -> None:
    for n, value in ((0, 1.0), (5, math.nan)):
        metric = statistic_metric(
            "m", [5], lambda weights, v=value: weights[:, 0] * v, n=n, n_total=9, undefined="why"
        )
        assert (metric.value, metric.ci_low, metric.n, metric.reason) == (None, None, n, "why")
    metric = statistic_metric(
        "m", [5], lambda weights: weights[:, 0], n=5, n_total=9, undefined="why", note="careful"
    )
    assert (metric.value, metric.reason) == (5.0, "careful")


def test_interval_of_a_mean_by_any_statistic_is_near_the_means_own() -> None:
    values = [float(place % 7) for place in range(200)]
    means = bootstrap_interval(values)
    found = bootstrap_statistic(values, lambda drawn: sum(drawn) / len(drawn))
    assert means is not None
    assert found == pytest.approx(means, abs=0.05)
    assert found == bootstrap_statistic(values, lambda drawn: sum(drawn) / len(drawn))
    assert bootstrap_statistic([1.0], sum) is None
