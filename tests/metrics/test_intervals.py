"""Intervals: against scipy and published examples, and their properties."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.metrics.intervals import (
    NOT_NEGATIVE,
    SHARE,
    Interval,
    bounds_of,
    difference_interval,
    excludes_zero,
    is_negligible,
    mean_interval,
    mean_value,
    paired_share_interval,
    share_interval,
)

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
numbers = st.lists(
    st.floats(-1e6, 1e6).map(lambda number: round(number, 6)), min_size=2, max_size=40
)
shares = st.lists(st.floats(0, 1).map(lambda share: round(share, 6)), min_size=2, max_size=40)


def found(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


# --- shares ---------------------------------------------------------------------------------------


@given(counts)
def test_a_shares_ends_are_the_shares_at_which_mid_p_is_a_fortieth(pair: tuple[int, int]) -> None:
    successes, n = pair
    low, high = found(share_interval(successes, n))
    binomial = scipy.stats.binom
    if successes > 0:
        above = binomial.sf(successes, n, low) + binomial.pmf(successes, n, low) / 2
        assert above == pytest.approx(0.025, abs=1e-9)
    else:
        assert low == 0.0
    if successes < n:
        below = binomial.cdf(successes - 1, n, high) + binomial.pmf(successes, n, high) / 2
        assert below == pytest.approx(0.025, abs=1e-9)
    else:
        assert high == 1.0


@given(counts)
def test_a_share_lies_within_clopper_and_pearsons_interval(pair: tuple[int, int]) -> None:
    exact = scipy.stats.binomtest(*pair).proportion_ci(method="exact")
    low, high = found(share_interval(*pair))
    assert exact.low - 1e-9 <= low <= pair[0] / pair[1] <= high <= exact.high + 1e-9


@pytest.mark.parametrize("n", [2, 20, 1_000])
def test_shares_that_all_agree_have_a_width(n: int) -> None:
    low, high = found(share_interval(0, n))
    assert (low, round((1 - high) ** n, 9)) == (0.0, 0.05)
    assert found(share_interval(n, n)) == pytest.approx((1 - high, 1.0))
    assert found(mean_interval([0.0] * n, bounds=SHARE)) == pytest.approx((0.0, high))
    assert found(mean_interval([1.0] * n, bounds=SHARE)) == pytest.approx((1 - high, 1.0))
    # A mean of shares that are all 0 is at most the share of those that are not 0.
    assert found(mean_interval([0.25] * n, bounds=SHARE)) == pytest.approx(
        (0.25 - 0.25 * high, 0.25 + 0.75 * high)
    )


# --- means ----------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(numbers)
def test_a_mean_is_within_students_t_and_in_its_interval(values: list[float]) -> None:
    low, high = found(mean_interval(values))
    mean = mean_value(values)
    slack = 1e-9 * max(1.0, *map(abs, values))
    assert low - slack <= mean <= high + slack
    error = scipy.stats.sem(values)
    if np.ptp(values) > 1e-6 * max(map(abs, values), default=0.0):
        theirs = scipy.stats.t.interval(0.95, len(values) - 1, mean, error)
        assert low <= theirs[0] + slack and high >= theirs[1] - slack


def test_a_mean_of_symmetric_values_has_students_interval() -> None:
    values = [*np.linspace(-1, 1, 15)]
    theirs = scipy.stats.t.interval(0.95, 14, 0.0, scipy.stats.sem(values))
    assert found(mean_interval(values)) == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(5))
def test_a_skewed_mean_has_halls_interval(seed: int) -> None:
    """The ends are where Hall's (1992) monotone function of t reaches Student's quantiles."""
    values = np.random.default_rng(seed).exponential(size=20)
    low, high = found(mean_interval(values))
    n, mean, error = 20, values.mean(), scipy.stats.sem(values)
    a = scipy.stats.skew(values, bias=False) / math.sqrt(n)
    t = (mean - high) / error
    transformed = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    assert transformed == pytest.approx(scipy.stats.t.ppf(0.025, n - 1))
    # At the other end it would be nearer than Student's.
    assert low == pytest.approx(mean - scipy.stats.t.ppf(0.975, n - 1) * error)


def test_a_mean_of_many_values_has_the_normal_interval() -> None:
    values = np.random.default_rng(1).gamma(4.0, size=20_000)
    half = 1.96 * values.std() / math.sqrt(len(values))
    for bounds in (None, (0.0, 100.0)):
        ends = found(mean_interval(values, bounds=bounds))
        assert ends == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 20)


@settings(max_examples=30)
@given(shares, st.floats(0.5, 3), st.floats(-2, 2))
def test_bounds_hold_and_move_with_the_values(values: list[float], by: float, to: float) -> None:
    low, high = found(mean_interval(values, bounds=SHARE))
    assert 0.0 <= low <= high <= 1.0
    moved = [to + by * value for value in values]
    ends = found(mean_interval(moved, bounds=(min(to, *moved), max(to + by, *moved))))
    assert ends == pytest.approx((to + by * low, to + by * high), abs=1e-6)


def test_bounds_that_do_not_hold_are_left_out() -> None:
    above, below = [0.2, 0.4, 1.7], [-1.7, 0.4, 0.8]
    assert found(mean_interval([-1.7, 1.4], bounds=SHARE)) == found(mean_interval([-1.7, 1.4]))
    assert found(mean_interval(above, bounds=SHARE)) == (0.0, found(mean_interval(above))[1])
    assert found(mean_interval(below, bounds=SHARE)) == (found(mean_interval(below))[0], 1.0)


@settings(max_examples=50)
@given(numbers, st.floats(0, 10))
def test_one_bound_takes_away_only_what_cannot_be(values: list[float], above: float) -> None:
    least = min(values) - above
    plain = found(mean_interval(values))
    low, high = found(mean_interval(values, bounds=(least, math.inf)))
    assert (low, high) == (max(least, plain[0]), plain[1])
    mirrored = found(mean_interval([-value for value in values], bounds=(-math.inf, -least)))
    assert mirrored == pytest.approx((-high, -low), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 10, 20])
def test_no_count_has_an_interval_of_less_than_nothing(n: int) -> None:
    """Some lists in a few texts: a mean of 1.126 had an interval from -0.162."""
    generator = np.random.default_rng(n)
    for _ in range(200):
        values = generator.exponential(8.0, n) * (generator.random(n) < 0.2)
        plain = found(mean_interval(values))
        low, high = found(mean_interval(values, bounds=NOT_NEGATIVE))
        assert 0.0 <= low <= values.mean() <= high
        assert (low, high) == (max(0.0, plain[0]), plain[1])


@given(numbers, st.randoms())
def test_order_changes_nothing(values: list[float], shuffler: random.Random) -> None:
    mixed = list(values)
    shuffler.shuffle(mixed)
    assert mean_interval(mixed) == mean_interval(values)


def test_equal_values_without_bounds_say_no_more_than_that() -> None:
    assert found(mean_interval([3.0] * 9)) == (3.0, 3.0)
    nearly = [0.1 + 0.2, 0.3, 0.3]
    assert found(mean_interval(nearly)) == pytest.approx((0.3, 0.3))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [1.0, math.inf]])
def test_what_has_no_spread_has_no_interval(values: list[float]) -> None:
    assert mean_interval(values) is None


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_no_end_is_beyond_the_largest_float() -> None:
    assert mean_interval([0.0, 1.797693134336922e308]) is None
    assert mean_interval([-1.7e308, 1.7e308]) is None


# --- differences ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gained", "lost", "n", "ends"),
    [
        # Bentur et al. 2009, in Fagerland, Lydersen and Laake 2014, table IV.
        (1, 7, 21, (-0.517, -0.026)),
        # The example of R's `PropCIs::scoreci.mp`.
        (40, 20, 160, (0.0309, 0.2181)),
    ],
)
def test_paired_shares_have_the_published_interval(
    gained: int, lost: int, n: int, ends: tuple[float, float]
) -> None:
    assert found(paired_share_interval(gained, lost, n)) == pytest.approx(ends, abs=5e-4)


@given(
    st.integers(1, 60).flatmap(
        lambda n: st.tuples(st.integers(0, n), st.integers(0, n), st.just(n))
    )
)
def test_paired_shares_are_refused_as_by_mcnemars_test(table: tuple[int, int, int]) -> None:
    gained, lost, n = table
    gained = min(gained, n - lost)
    low, high = found(paired_share_interval(gained, lost, n))
    assert -1.0 <= low <= (gained - lost) / n <= high <= 1.0
    mirrored = found(paired_share_interval(lost, gained, n))
    assert mirrored == pytest.approx((-high, -low), abs=1e-9)
    if gained + lost:
        statistic = (gained - lost) ** 2 / (gained + lost)
        if abs(statistic - 3.8415) > 0.001:
            assert excludes_zero(low, high) == (statistic > 3.8415)
    else:
        assert low < 0 < high


def test_a_difference_of_estimates_is_newcombes() -> None:
    """Newcombe 1998, Statistics in Medicine 17:873, table II, method 10: 56/70 less 48/80."""
    ends = []
    for successes, n in ((48, 80), (56, 70)):
        wilson = scipy.stats.binomtest(successes, n).proportion_ci(method="wilson")
        ends.append((successes / n, Interval(wilson.low, wilson.high, "Wilson")))
    assert found(difference_interval(*ends)) == pytest.approx((0.0524, 0.3339), abs=1e-4)


# --- zero -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "excluded"),
    [
        (0.1, 0.2, True),
        (-0.2, -0.1, True),
        (0.0, 0.2, False),
        (-0.1, 0.2, False),
        (1e-16, 3e-16, False),
        (-3e-16, -1e-16, False),
        (1e-16, 0.2, False),
        (-0.2, -5e-17, False),
        (1e-5, 2e-5, True),
        (None, None, False),
        (math.nan, math.nan, False),
    ],
)
def test_an_end_that_is_rounding_is_zero(
    low: float | None, high: float | None, excluded: bool
) -> None:
    assert excludes_zero(low, high) is excluded


def test_rounding_is_negligible_and_a_digit_is_not() -> None:
    assert is_negligible(0.1 + 0.2 - 0.3, 0.3)
    assert is_negligible(0.0)
    assert not is_negligible(1e-6, 0.3)


def test_values_of_zero_and_one_are_shares() -> None:
    assert bounds_of([0.0, 1.0, 1.0]) == SHARE
    assert bounds_of([0.0, 0.5]) is None


# --- coverage -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20, 50])
@pytest.mark.parametrize(
    ("draw", "mean", "bounds"),
    [
        (lambda generator, n: generator.normal(size=n), 0.0, None),
        (lambda generator, n: generator.exponential(size=n), 1.0, None),
        (lambda generator, n: generator.poisson(1.0, size=n) * 1.0, 1.0, None),
        (lambda generator, n: generator.beta(0.6, 1.5, size=n), 0.6 / 2.1, SHARE),
        (lambda generator, n: (generator.random(n) < 0.05) * 1.0, 0.05, SHARE),
        (lambda generator, n: (generator.random(n) < 0.5) * 1.0, 0.5, SHARE),
    ],
    ids=["normal", "exponential", "counts", "skewed scores", "rare share", "even share"],
)
def test_intervals_cover_what_they_promise(
    draw: Callable[[np.random.Generator, int], np.ndarray],
    mean: float,
    bounds: tuple[float, float] | None,
    n: int,
) -> None:
    """A coarse version of `benchmarks/coverage.py`: 2,000 experiments, three standard errors."""
    generator = np.random.default_rng(n)
    intervals = [mean_interval(draw(generator, n), bounds=bounds) for _ in range(2_000)]
    covered = sum(each is not None and each.low <= mean <= each.high for each in intervals) / 2_000
    assert 0.93 - 0.015 <= covered <= (0.97 + 0.015 if mean != 0.05 else 1.0)
