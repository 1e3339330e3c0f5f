"""The bootstrap of statistics of weighted items: its draws, and what is not defined."""

import math

import numpy as np
import pytest
import scipy.stats

from llmprof.metrics.bootstrap import (
    RESAMPLES,
    SEED,
    counted_weights,
    even_weights,
    statistic_interval,
    statistic_metric,
)
from llmprof.metrics.intervals import CONFIDENCE


@pytest.mark.parametrize("size", [2, 3, 50, 500])
def test_even_draws_are_scipys(size: int) -> None:
    values = np.sort(np.random.default_rng(size).exponential(size=size))
    theirs = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, 200_000 // size),
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    means = np.concatenate([w @ values / size for w in even_weights(size, RESAMPLES)])
    assert np.quantile(means, [0.025, 0.975]) == pytest.approx(tuple(theirs), rel=1e-9)


def test_interval_of_a_statistic_is_that_of_the_mean_when_it_is_the_mean() -> None:
    values = np.random.default_rng(0).normal(size=500)
    ours = statistic_interval([1] * 500, lambda weights: weights @ values / weights.sum(1))
    theirs = scipy.stats.t.interval(0.95, 499, values.mean(), scipy.stats.sem(values))
    assert ours == pytest.approx(theirs, abs=0.01)


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
