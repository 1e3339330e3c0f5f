"""Differences of two models: against scipy's paired bootstrap, and their properties."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from llmprof.metrics.differences import Difference
from llmprof.metrics.intervals import NOT_NEGATIVE, SHARE
from llmprof.metrics.measures import Mean, Measure, Single, Statistic, difference, mean_metric
from llmprof.metrics.samples import Metric

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


def ratio(means: Array) -> Array:
    return np.asarray(100 * (2 * means[..., 1] / means[..., 0] - 1))


def answers_of(size: int) -> tuple[Array, Array]:
    """Whether each item chose, and chose with bias, in two runs."""
    draw = np.random.default_rng(2)
    chosen = (draw.random((2, size)) < 0.8).astype(float)
    return chosen, chosen * (draw.random((2, size)) < [[0.5], [0.6]])


def of_answers(chosen: Array, biased: Array, clusters: list[str] | None = None) -> Statistic:
    rows = [(float(c), float(b)) for c, b in zip(chosen, biased, strict=True)]
    units = [str(place) for place in range(len(rows))]
    return Statistic(
        "bias",
        units,
        rows,
        ratio,
        n=len(rows),
        n_total=len(rows),
        bounds=(-100.0, 100.0),
        clusters=clusters,
        size=0,
        unit="items" if clusters is None else "templates",
    )


def test_a_ratio_of_sums_agrees_with_scipys_bca() -> None:
    chosen, biased = answers_of(SIZE)
    before, after = (of_answers(chosen[run], biased[run]) for run in (0, 1))

    def statistic(drawn: Array) -> float:
        of = drawn.astype(int)
        old, new = (ratio(np.stack([chosen[r][of].mean(), biased[r][of].mean()])) for r in (0, 1))
        return float(new - old)

    result = found(before, after)
    places = np.arange(SIZE)
    assert result.value == pytest.approx(statistic(places))
    theirs = stats.bootstrap(
        (places,), statistic, vectorized=False, n_resamples=2000, method="BCa",
        rng=np.random.default_rng(3),
    )  # fmt: skip
    assert_near(result, theirs)


def test_clusters_are_drawn_where_items_are_alike() -> None:
    """Ten equal items of each cluster tell no more than one."""
    chosen, biased = answers_of(40)
    single = of_answers(chosen[0], biased[0])
    tenfold = of_answers(
        np.repeat(chosen[0], 10), np.repeat(biased[0], 10), [str(i // 10) for i in range(400)]
    )
    alone, together = single.metric(), tenfold.metric()
    assert together.value == alone.value
    assert together.ci_low == pytest.approx(alone.ci_low)
    assert together.ci_high == pytest.approx(alone.ci_high)
    assert (alone.unit, together.unit) == ("items", "templates")
    ignored = of_answers(np.repeat(chosen[0], 10), np.repeat(biased[0], 10)).metric()
    assert alone.ci_low is not None and ignored.ci_low is not None
    assert ignored.ci_low > alone.ci_low
    means = [
        Mean("m", tenfold.units, np.repeat(biased[run], 10).tolist(), bounds=SHARE,
             clusters=tenfold.clusters)
        for run in (0, 1)
    ]  # fmt: skip
    plain = [Mean("m", single.units, biased[run].tolist(), bounds=SHARE) for run in (0, 1)]
    change, of_single = found(*means), found(*plain)
    assert change.value == pytest.approx(of_single.value)
    assert (change.n, change.differing) == (400, of_single.differing)
    assert change.ci_high == pytest.approx(of_single.ci_high, abs=0.05)


def test_a_cluster_of_each_item_changes_nothing() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    units = list("abcdef")
    plain = Mean("m", units, values, bounds=SHARE)
    clustered = Mean("m", units, values, bounds=SHARE, clusters=units)
    assert plain.metric() == clustered.metric()


def test_pairs_of_right_and_wrong_have_tangos_interval() -> None:
    before = [1.0] * 7 + [0.0] * 1 + [1.0] * 1 + [0.0] * 12
    after = [0.0] * 7 + [1.0] * 1 + [1.0] * 1 + [0.0] * 12
    units = [str(place) for place in range(21)]
    result = found(*(Mean("m", units, run, bounds=SHARE, scale=100.0) for run in (before, after)))
    assert (result.ci_low, result.ci_high) == pytest.approx((-51.7, -2.6), abs=0.05)
    assert (result.n, result.differing, result.method) == (21, 8, "Tango score")


def test_runs_that_agree_in_everything_may_differ_on_other_items() -> None:
    units = [str(place) for place in range(20)]
    for values, bounds, certain in (
        ([0.0, 1.0] * 10, SHARE, False),
        ([0.25, 0.5] * 10, SHARE, False),
        ([3.0, 7.0] * 10, None, True),
    ):
        result = found(*(Mean("m", units, values, bounds=bounds) for _ in range(2)))
        assert (result.value, result.differing) == (0.0, 0)
        assert ((result.ci_low, result.ci_high) == (0.0, 0.0)) is certain


def test_rounding_is_no_change() -> None:
    units = [str(place) for place in range(40)]
    before = [0.1 + 0.2] * 40
    after = [0.3] * 40
    result = found(Mean("m", units, before), Mean("m", units, after))
    assert (result.value, result.ci_low, result.ci_high, result.differing) == (0.0, 0.0, 0.0, 0)


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
    rows = Statistic("m", ["a"], [(1.0,)], lambda means: means[..., 0], 1, 1)
    assert difference(mean, rows) == "the two are made in different ways"
    assert found(mean, Mean("m", ["c"], [1.0])).value is None


def test_one_value_has_no_interval() -> None:
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


def test_paired_interval_is_narrower_than_that_of_unpaired_models() -> None:
    """Both models find the same items hard: pairing takes that out."""
    draw = np.random.default_rng(3)
    hardness = draw.normal(0, 5, size=400)
    before = hardness + draw.normal(0, 0.5, size=400)
    after = hardness + 0.3 + draw.normal(0, 0.5, size=400)
    units = [str(place) for place in range(400)]
    result = found(Mean("m", units, before.tolist()), Mean("m", units, after.tolist()))
    theirs = stats.ttest_rel(after, before).confidence_interval()
    assert (result.ci_low, result.ci_high) == pytest.approx(tuple(theirs), abs=0.01)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_mean_beyond_the_largest_float_has_no_interval() -> None:
    metric = mean_metric("m", [0.0, 1.797693134336922e308])
    assert metric.value == pytest.approx(8.98846567168461e307)
    assert (metric.ci_low, metric.ci_high) == (None, None)


def test_a_change_of_values_beyond_their_bounds_has_its_own_interval() -> None:
    """As of `top_ngram_` shares, which texts that repeat themselves bring above 1."""
    units = [str(place) for place in range(12)]
    after = [3.4 + 0.01 * place for place in range(12)]
    result = found(
        Mean("m", units, [0.0] * 12, bounds=SHARE), Mean("m", units, list(after), bounds=SHARE)
    )
    free = found(Mean("m", units, [0.0] * 12), Mean("m", units, list(after)))
    assert result == free
    assert result.ci_low is not None and result.ci_high is not None and result.value is not None
    assert result.ci_low < result.value < result.ci_high


def test_the_degrees_of_a_change_are_those_of_what_is_drawn() -> None:
    draw = np.random.default_rng(5)
    units = [str(place) for place in range(60)]
    old, new = draw.normal(0, 1, (2, 60)).tolist()
    apart = found(Mean("m", units, old), Mean("m", units, new))
    assert apart.degrees == pytest.approx(59)
    clusters = [str(place // 5) for place in range(60)]
    together = found(
        Mean("m", units, old, clusters=clusters), Mean("m", units, new, clusters=clusters)
    )
    assert together.degrees == pytest.approx(11)


@pytest.mark.parametrize("clusters", [None, ["a", "a", "b", "c"]])
def test_no_change_is_larger_than_bounds_allow(clusters: list[str] | None) -> None:
    units = [str(place) for place in range(4)]
    old, new = [0.5, 0.1, 0.0, 0.9], [0.9, 0.1, 0.8, 0.1]
    bounds = (0.0, 1.0)
    before, after = (
        Mean("m", units, values, scale=100, bounds=bounds, clusters=clusters)
        for values in (old, new)
    )
    free = found(replace(before, bounds=None), replace(after, bounds=None))
    assert free.ci_low is not None and free.ci_high is not None
    result = found(before, after)
    assert result.ci_low == max(-100.0, free.ci_low)
    assert result.ci_high == min(100.0, free.ci_high)
    assert free.ci_high > 100 or clusters is None


def test_no_change_of_a_statistic_is_larger_than_bounds_allow() -> None:
    def root(means: Array) -> Array:
        return np.asarray(np.sqrt(np.abs(means[..., 0])))

    units = [str(place) for place in range(3)]
    before, after = (
        Statistic("m", units, [(value,) for value in values], root, 3, 3, bounds=SHARE)
        for values in ([0.0, 0.1, 0.9], [0.9, 0.8, 0.0])
    )
    free = found(replace(before, bounds=None), replace(after, bounds=None))
    assert free.ci_low is not None and free.ci_high is not None
    assert free.ci_low < -1 and free.ci_high > 1
    result = found(before, after)
    assert (result.ci_low, result.ci_high) == (-1, 1)


@pytest.mark.parametrize("after", [[2.0, 0.0, 5.0, 1.0], [2.0, 0.0, 4.0, 1.0]])
def test_a_change_of_counts_has_no_bounds(after: list[float]) -> None:
    before = [2.0, 0.0, 4.0, 1.0]
    units = [str(place) for place in range(4)]
    counted = found(
        Mean("m", units, before, bounds=NOT_NEGATIVE), Mean("m", units, after, bounds=NOT_NEGATIVE)
    )
    assert counted == found(Mean("m", units, before), Mean("m", units, after))
