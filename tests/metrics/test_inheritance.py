"""Changes over items and seeds, shares of a difference, corrected p-values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from llmprof.metrics.inheritance import (
    CROSSED,
    NO_DIFFERENCE,
    ONE_SEED,
    Effect,
    crossed_change,
    crossed_mean,
    holm,
    inherited_share,
    items_of,
    range_of,
)
from llmprof.metrics.intervals import NOT_NEGATIVE, SHARE, Interval, paired_share_interval
from llmprof.metrics.measures import Mean, Statistic

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values


def test_one_seed_is_a_paired_t_test() -> None:
    draws = np.random.default_rng(0)
    before, after = draws.normal(size=20), draws.normal(0.5, size=20)
    names = [str(place) for place in range(20)]
    found = crossed_change(
        [dict(zip(names, before.tolist(), strict=True))],
        [dict(zip(names, after.tolist(), strict=True))],
    )
    theirs = stats.ttest_rel(after, before)
    interval = theirs.confidence_interval()
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.reason == ONE_SEED


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        (0.0, 0.0, paired_share_interval(0, 0, 12)),
        (0.0, 1.0, paired_share_interval(12, 0, 12)),
        (100.0, 0.0, paired_share_interval(0, 12, 12).scaled(100)),
        (100.0, 100.0, paired_share_interval(0, 0, 12).scaled(100)),
        (7.0, 9.0, Interval(2.0, 2.0, CROSSED)),
        (0.5, 0.5, Interval(0.0, 0.0, CROSSED)),
    ],
)
def test_shares_that_all_change_alike_are_not_certain(
    before: float, after: float, ends: Interval
) -> None:
    names = [str(place) for place in range(12)]
    found = crossed_change([dict.fromkeys(names, before)], [dict.fromkeys(names, after)] * 2)
    assert (found.low, found.high, found.method) == (ends.low, ends.high, ends.method)
    assert found.value == after - before


def tables(seeds: int, of_seeds: float, of_items: float, count: int) -> Iterator[Values]:
    """Tables of seeds by 40 items about 1; the noise of each cell has a variance of 1."""
    draws = np.random.default_rng(seeds)
    for _ in range(count):
        yield (
            1.0
            + draws.normal(0, math.sqrt(of_seeds), size=(seeds, 1))
            + draws.normal(0, math.sqrt(of_items), size=(1, 40))
            + draws.normal(0, 1.0, size=(seeds, 40))
        )


@pytest.mark.parametrize("of_items", [0.0, 1.0])
@pytest.mark.parametrize("of_seeds", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_interval_covers_other_items_and_other_seeds(
    seeds: int, of_seeds: float, of_items: float
) -> None:
    """Satterthwaite's degrees of freedom cover 86% where two seeds vary."""
    effects = [crossed_mean(table) for table in tables(seeds, of_seeds, of_items, 1000)]
    covered = sum(
        each.low is not None and each.high is not None and each.low <= 1.0 <= each.high
        for each in effects
    )
    # Less than 95% by three standard errors, of 0.7 each.
    assert covered / len(effects) >= 0.95 - 0.021


@pytest.mark.parametrize(("seeds", "wider"), [(2, 3.5), (3, 1.7), (5, 1.3)])
def test_width_where_seeds_do_not_matter(seeds: int, wider: float) -> None:
    """Against the interval over items alone, which is right there."""
    ratios = []
    for table in tables(seeds, 0.0, 1.0, 300):
        alone = crossed_mean(table.mean(0, keepdims=True))
        both = crossed_mean(table)
        assert alone.reach is not None and both.reach is not None
        ratios.append(both.reach / alone.reach)
    assert min(ratios) >= 1.0
    assert np.median(ratios) <= wider


@given(st.integers(2, 5), st.integers(2, 8), st.floats(-3, 3), st.integers(0, 10**6))
def test_p_value_is_below_5_percent_exactly_where_the_interval_excludes_zero(
    seeds: int, items: int, mean: float, drawn: int
) -> None:
    found = crossed_mean(np.random.default_rng(drawn).normal(mean, size=(seeds, items)))
    assert found.p is not None and 0 < found.p <= 1
    assert (found.p < 0.05) == found.excludes_zero


def test_tiny_p_values_are_those_of_students_t() -> None:
    table = np.random.default_rng(3).normal(9.0, size=(1, 40))
    theirs = stats.ttest_1samp(table[0], 0.0).pvalue
    assert theirs < 1e-30
    assert crossed_mean(table).p == pytest.approx(theirs)


def test_no_change_is_larger_than_bounds_allow() -> None:
    before = Mean("m", ["a", "b", "c"], [0.1, 0.2, 0.3], scale=100, bounds=SHARE)
    after = [
        Mean("m", ["a", "b", "c"], values, scale=100, bounds=SHARE)
        for values in ([0.3, 0.2, 0.3], [0.9, 1.0, 0.8])
    ]
    items = [items_of(each) for each in after]
    free = crossed_change([items_of(before)], items)
    assert free.low is not None and free.high is not None
    assert free.low < -100 < 100 < free.high
    found = crossed_change([items_of(before)], items, range_of(before))
    assert (found.low, found.high) == (-100, 100)
    assert (found.value, found.p) == (free.value, free.p)
    counts = Mean("n", ["a"], [3.0], bounds=NOT_NEGATIVE)
    assert range_of(counts) is None


def test_share_covers_the_true_ratio() -> None:
    draws = np.random.default_rng(2)
    covered = defined = 0
    for _ in range(2000):
        change = crossed_mean(draws.normal(2.0, 2.0, size=(1, 50)))
        data = crossed_mean(draws.normal(4.0, 4.0, size=(1, 50)))
        share = inherited_share(change, data)
        if share.low is not None and share.high is not None:
            defined += 1
            covered += share.low <= 0.5 <= share.high
    assert defined > 1990 and 0.935 <= covered / defined <= 0.965


def test_no_share_of_a_difference_that_may_be_none() -> None:
    change = Effect(1.0, 0.5, 1.5, n=9, seeds=3, reach=0.5)
    none = Effect(0.1, -0.5, 0.7, n=9, seeds=1, reach=0.6)
    share = inherited_share(change, none)
    assert (share.value, share.low, share.reason) == (None, None, NO_DIFFERENCE)


def test_holm_is_that_of_scipy_s_neighbours() -> None:
    values = [0.001, 0.2, 0.013, 0.04, 0.9]
    ordered = sorted(values)
    expected = np.maximum.accumulate([min(1, p * (5 - i)) for i, p in enumerate(ordered)])
    assert holm(values) == pytest.approx([expected[ordered.index(p)] for p in values])


def test_items_of_a_function_of_means_average_to_it() -> None:
    rows = [(float(place), 1.0 + place % 3) for place in range(1, 9)]
    names = [str(place) for place in range(8)]
    ratio = Statistic("r", names, rows, lambda means: means[..., 0] / means[..., 1], 8, 8)
    assert ratio.value is not None
    assert np.mean(list(items_of(ratio).values())) == pytest.approx(ratio.value, rel=0.05)
    mean = Mean("m", ["a", "b", "c"], [1.0, None, 3.0])
    assert items_of(mean) == {"a": 1.0, "c": 3.0}
    several = Mean("m", ["a", "a", "b"], [1.0, 3.0, 5.0])
    assert several.value == 3.0
    assert np.mean(list(items_of(several).values())) == pytest.approx(3.0)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 200])
def test_items_that_all_change_alike_have_the_p_value_of_their_interval(n: int) -> None:
    names = [str(place) for place in range(n)]
    change = crossed_change([dict.fromkeys(names, 0.0)] * 3, [dict.fromkeys(names, 1.0)] * 3)
    assert change.p is not None
    assert change.p > 0
    assert change.p >= 2.0 ** (1 - n)
    # Of five that all went one way, 2 of 2^5 ways are 6%: more than the interval says.
    assert change.p > 0.05 or change.excludes_zero
    other = crossed_change([dict.fromkeys(names, 0.3)] * 3, [dict.fromkeys(names, 0.7)] * 3)
    assert other.p == 2.0 ** (1 - n)


def test_clusters_have_the_weight_of_their_items() -> None:
    units = [f"q{place}" for place in range(10)]
    clusters = ["large"] * 8 + ["small"] * 2
    before = Mean("m", units, [0.0] * 10, clusters=clusters, scale=100)
    after = Mean("m", units, [1.0] * 8 + [0.0] * 2, clusters=clusters, scale=100)
    change = crossed_change([items_of(before)], [items_of(after)])
    assert change.value == pytest.approx(80.0)
    assert np.mean(list(items_of(after).values())) == pytest.approx(after.value)
