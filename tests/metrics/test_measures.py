"""Differences of two models: against scipy's paired bootstrap, and their properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from llmprof.metrics.bootstrap import Difference
from llmprof.metrics.measures import Mean, Measure, Single, Weighted, difference
from llmprof.metrics.samples import Metric
from llmprof.profilers.calibration_error import equal_width_error

SIZE = 300
UNITS = [str(place) for place in range(SIZE)]
Array = NDArray[np.float64]


def found(before: Measure, after: Measure) -> Difference:
    result = difference(before, after)
    assert isinstance(result, Difference)
    return result


def assert_near(result: Difference, theirs: object) -> None:
    """Both ends within a tenth of the interval: two bootstraps with draws of their own."""
    low, high = theirs.confidence_interval  # type: ignore[attr-defined]
    assert result.ci_low == pytest.approx(low, abs=(high - low) / 10)
    assert result.ci_high == pytest.approx(high, abs=(high - low) / 10)


def test_a_mean_agrees_with_scipy_and_pairs_the_items() -> None:
    draw = np.random.default_rng(0)
    before = draw.normal(size=SIZE)
    after = before + draw.normal(0.05, 0.2, size=SIZE)
    result = found(Mean("m", UNITS, before.tolist()), Mean("m", UNITS, after.tolist()))
    assert result.value == pytest.approx(after.mean() - before.mean())
    theirs = stats.bootstrap(
        (before, after),
        lambda x, y, axis: y.mean(axis) - x.mean(axis),
        paired=True,
        method="percentile",
        rng=np.random.default_rng(1),
    )
    assert_near(result, theirs)
    unpaired = stats.bootstrap(
        (before, after),
        lambda x, y, axis: y.mean(axis) - x.mean(axis),
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert result.ci_low is not None and result.ci_high is not None
    assert result.ci_high - result.ci_low < (unpaired.high - unpaired.low) / 3


def ratio(rows: Array) -> Array:
    return np.asarray(100 * (2 * rows[:, 1].sum() / rows[:, 0].sum() - 1))


def test_a_ratio_of_sums_agrees_with_scipy() -> None:
    draw = np.random.default_rng(2)
    chosen = (draw.random((2, SIZE)) < 0.8).astype(float)
    biased = chosen * (draw.random((2, SIZE)) < [[0.5], [0.6]])
    before, after = (
        Weighted(
            "bias",
            UNITS,
            [tuple(row) for row in rows.T],
            lambda rows: lambda weights: (
                100 * (2 * (weights @ rows[:, 1]) / (weights @ rows[:, 0]) - 1)
            ),
            n=SIZE,
            n_total=SIZE,
        )
        for rows in (np.stack([chosen[0], biased[0]]), np.stack([chosen[1], biased[1]]))
    )  # fmt: skip
    places = np.arange(SIZE)

    def statistic(drawn: Array) -> float:
        each = [np.stack([chosen[run], biased[run]], 1)[drawn.astype(int)] for run in (0, 1)]
        return float(ratio(each[1]) - ratio(each[0]))

    result = found(before, after)
    assert result.value == pytest.approx(statistic(places))
    theirs = stats.bootstrap(
        (places,), statistic, vectorized=False, n_resamples=2000, method="percentile",
        rng=np.random.default_rng(3),
    )  # fmt: skip
    assert_near(result, theirs)


def test_a_calibration_error_agrees_with_scipy() -> None:
    draw = np.random.default_rng(4)
    confidence = draw.uniform(0.2, 1.0, size=(2, SIZE))
    correct = (draw.random((2, SIZE)) < confidence**2).astype(float)

    def error(confidence: Array, correct: Array) -> float:
        bins = np.minimum((confidence * 10).astype(int), 9)
        return sum(abs((confidence - correct)[bins == each].sum()) for each in range(10)) / len(
            correct
        )

    before, after = (
        Weighted(
            "ece",
            UNITS,
            list(zip(confidence[run].tolist(), correct[run].tolist(), strict=True)),
            lambda rows: equal_width_error(rows[:, 0], rows[:, 1], 10),
            n=SIZE,
            n_total=SIZE,
        )
        for run in (0, 1)
    )

    def statistic(drawn: Array) -> float:
        of = drawn.astype(int)
        return error(confidence[1][of], correct[1][of]) - error(confidence[0][of], correct[0][of])

    result = found(before, after)
    assert result.value == pytest.approx(statistic(np.arange(SIZE)))
    theirs = stats.bootstrap(
        (np.arange(SIZE),), statistic, vectorized=False, n_resamples=2000, method="percentile",
        rng=np.random.default_rng(5),
    )  # fmt: skip
    assert_near(result, theirs)


scores = st.one_of(st.none(), st.integers(0, 3).map(float))


@settings(max_examples=40)
@given(st.lists(st.tuples(scores, scores), min_size=1, max_size=20), st.randoms())
def test_a_difference_has_a_mirror_image_and_no_order(
    values: list[tuple[float | None, float | None]], shuffled: object
) -> None:
    units = [str(place) for place in range(len(values))]
    before, after = (Mean("m", units, [each[run] for each in values]) for run in (0, 1))
    there, back = found(before, after), found(after, before)
    both = [(x, y) for x, y in values if x is not None and y is not None]
    assert there.n == back.n == len(both)
    if both:
        assert there.value == pytest.approx(np.mean([y - x for x, y in both]))
        assert there.value == pytest.approx(-(back.value or 0.0))
    turned = Mean("m", units[::-1], [each[1] for each in values][::-1])
    assert found(before, turned) == there
    itself = found(before, before)
    assert itself.n == 0 or (itself.value, itself.ci_low or 0.0, itself.ci_high or 0.0) == (0, 0, 0)


def test_the_scale_of_a_mean_is_that_of_its_difference() -> None:
    before, after = (
        Mean("m", ["a", "b"], values, scale=100.0) for values in ([0.0, 1.0], [1.0] * 2)
    )
    assert found(before, after).value == 50.0
    assert (before.value, before.metric().value) == (50.0, 50.0)


def test_what_cannot_be_paired_says_why() -> None:
    mean = Mean("m", ["a", "b"], [1.0, 2.0])
    single = Single(Metric("m", 1.0, None, None, 1, 1), "one test")
    assert difference(mean, single) == difference(single, mean) == "one test"
    assert difference(mean, Mean("m", ["a", "a"], [1.0, 2.0])) == "several items have the same id"
    rows = Weighted("m", ["a"], [(1.0,)], lambda rows: lambda weights: weights @ rows[:, 0], 1, 1)
    assert difference(mean, rows) == "the two are made in different ways"
    assert found(mean, Mean("m", ["c"], [1.0])).value is None
