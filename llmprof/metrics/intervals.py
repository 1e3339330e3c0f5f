"""Confidence intervals of shares, means and other averages, in closed form.

They contain the true value with probability `confidence`, 95% in all reports. They are
deterministic, so that equal data give equal intervals. `docs/decisions/intervals.md` says why these
methods, with their measured coverage.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeGuard

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Values: TypeAlias = NDArray[np.float64]

Bounds: TypeAlias = tuple[float, float]

CONFIDENCE = 0.95
SHARE: Bounds = (0.0, 1.0)
# Of counts, lengths and ratios; of log-probabilities.
NOT_NEGATIVE: Bounds = (0.0, math.inf)
NOT_POSITIVE: Bounds = (-math.inf, 0.0)
UNBOUNDED: Bounds = (-math.inf, math.inf)
# Numbers that differ by less than this part of their size differ by rounding alone.
TOLERANCE = 1e-9

# Names of the methods, as results keep them.
MID_P = "mid-P binomial"
EFFECTIVE_BINOMIAL = "effective binomial"
SKEWNESS_CORRECTED = "skewness-corrected t"
SCORE = "Tango score"
EQUAL = "equal values"
NORMAL = "normal"

# Those whose coverage depends on the values' distribution, and the number of values at which they
# are near 95% for any but the rarest large ones (`docs/decisions/intervals.md`).
OF_MEANS = frozenset({SKEWNESS_CORRECTED, EFFECTIVE_BINOMIAL, EQUAL})
ENOUGH = 50

_STEPS = 60


@dataclass(frozen=True, slots=True)
class Interval:
    """The bounds of a confidence interval, and its method.

    `degrees` are the degrees of freedom of its Student's t; None where that has no part in it.
    """

    low: float
    high: float
    method: str
    degrees: float | None = None

    def scaled(self, factor: float) -> Interval:
        """The interval multiplied by `factor`."""
        low, high = sorted((self.low * factor, self.high * factor))
        return replace(self, low=low, high=high)


def share_interval(successes: float, n: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a proportion, of which `successes` of `n` were observed; `n` is positive.

    Clopper and Pearson's (1934) exact tails with half the probability of the observed count
    (Lancaster 1961; Berry and Armitage 1995). Both numbers may be fractional, as those of
    `mean_interval` are.

    >>> interval = share_interval(0, 20)
    >>> interval.low, round(interval.high, 4)
    (0.0, 0.1391)
    """
    tail = (1 - confidence) / 2
    low = 0.0 if successes <= 0 else _solve_share(successes, n, tail)
    high = 1.0 if successes >= n else _solve_share(successes, n, 1 - tail)
    return Interval(low, high, MID_P)


def _solve_share(successes: float, n: float, wanted: float) -> float:
    """The share at which more than `successes`, and half of as many, have probability `wanted`."""
    from scipy.special import betainc

    def probability(share: float) -> float:
        reached = betainc(successes, n - successes + 1, share) if successes > 0 else 1.0
        exceeded = betainc(successes + 1, n - successes, share) if successes < n else 0.0
        return float(reached + exceeded) / 2

    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if probability(middle) < wanted else (low, middle)
    return (low + high) / 2


def mean_interval(
    values: ArrayLike,
    *,
    value: float | None = None,
    bounds: Bounds | None = None,
    sizes: ArrayLike | None = None,
    confidence: float = CONFIDENCE,
) -> Interval | None:
    """Interval of a mean of independent values; None where their spread is not known.

    The wider, at each end, of Student's t and Hall's (1992) t corrected for the skewness of the
    values. An end beyond known `bounds` is moved to the bound. Where both bounds are finite, the
    mean is also taken for a share of an effective number of trials (Korn and Graubard 1998), which
    is right near the bounds, and values that are all at a bound have an interval. Values that are
    all at one bound or the other are a share. A bound that a value is beyond is left out.

    `values` may be the pseudo-values of a statistic, whose own value is then `value`. `sizes` are
    the weights of the values, where these differ: degrees of freedom are then of Kish's (1965)
    effective number of values, (sum of sizes)^2 / sum of squared sizes.
    """
    import numpy as np

    # Sorted, so that the order of the values changes nothing.
    data = np.sort(np.asarray(values, dtype=float))
    n = len(data)
    if n < 2 or not np.isfinite(data).all():
        return None
    count = float(n) if sizes is None else _effective_number(np.asarray(sizes, dtype=float))
    mean = math.fsum(data / n) if value is None else value
    # Pseudo-values may be beyond the bounds of their statistic.
    ends = (data[0], data[-1]) if value is None else (mean, mean)
    low, high = holding(bounds, *map(float, ends))
    bounds = (low, high) if are_finite((low, high)) else None
    if bounds is not None and value is None:
        at_low, at_high = (np.abs(data - bound) <= TOLERANCE * np.ptp(bounds) for bound in bounds)
        if (at_low | at_high).all():
            found = share_interval(float(at_high.sum()), n, confidence=confidence)
            return _within(found, bounds)
    if is_negligible(float(data[-1]) - float(data[0]), *data[[0, -1]].tolist()):
        return _interval_of_equals(mean, count, bounds, confidence)
    found = _corrected_t(data, mean, count, confidence)
    if bounds is not None:
        share = _effective_binomial(data, mean, count, bounds, confidence)
        found = Interval(
            min(found.low, share.low),
            max(found.high, share.high),
            EFFECTIVE_BINOMIAL,
            found.degrees,
        )
    found = replace(
        found, low=max(low, min(found.low, mean)), high=min(high, max(found.high, mean))
    )
    return found if math.isfinite(found.low) and math.isfinite(found.high) else None


def holding(bounds: Bounds | None, least: float, greatest: float) -> Bounds:
    """The bounds that hold for values from `least` to `greatest`; one that does not is infinite.

    Overlapping n-grams, which count twice, may make a share greater than 1.

    >>> holding((0.0, 1.0), 0.2, 1.7)
    (0.0, inf)
    """
    low, high = UNBOUNDED if bounds is None else bounds
    return low if low <= least else -math.inf, high if greatest <= high else math.inf


def are_finite(bounds: Bounds | None) -> TypeGuard[Bounds]:
    """Whether there is a bound at both ends."""
    return bounds is not None and math.isfinite(bounds[0]) and math.isfinite(bounds[1])


def _interval_of_equals(
    value: float, n: float, bounds: Bounds | None, confidence: float
) -> Interval:
    """Interval of a mean of `n` equal values: of values in general no more than that they are
    equal.

    Within bounds no more than the share that none of `n` shows can differ, and by no more than what
    there is between the value and a bound.
    """
    if bounds is None:
        return Interval(value, value, EQUAL)
    unseen = share_interval(0, n, confidence=confidence)
    low, high = bounds
    return Interval(
        value - (value - low) * unseen.high, value + (high - value) * unseen.high, unseen.method
    )


def _effective_number(sizes: Values) -> float:
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def student_quantile(count: float, confidence: float) -> float:
    """How far Student's t is from 0 at most, of `count` - 1 degrees of freedom; at least one."""
    from scipy.special import stdtrit

    return float(stdtrit(max(count - 1, 1.0), 1 - (1 - confidence) / 2))


def normal_quantile(confidence: float = CONFIDENCE) -> float:
    """How many standard deviations from its mean a normal value is at most.

    >>> round(normal_quantile(), 4), round(normal_quantile(0.99), 4)
    (1.96, 2.5758)
    """
    from scipy.special import ndtri

    return float(ndtri(1 - (1 - confidence) / 2))


def _corrected_t(data: Values, mean: float, count: float, confidence: float) -> Interval:
    """Student's t, wider at an end where Hall's (1992) transformation says so.

    P. Hall, On the removal of skewness by transformation, Journal of the Royal Statistical Society
    B 54 (1992): g(T) = T + aT²/3 + a²T³/27 + a/6, where a is the skewness over the square root of
    n.
    """
    import numpy as np

    n = len(data)
    scale = float(np.abs(data).max())
    deviations = data / scale - math.fsum(data / scale / n)
    second = float((deviations**2).mean())
    error = math.sqrt(second / (n - 1))
    quantile = student_quantile(count, confidence)
    low, high = -quantile, quantile
    if n > 2:
        skewness = float((deviations**3).mean()) / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
        a = skewness / math.sqrt(count)
        if abs(a) > TOLERANCE:
            ends = 3 / a * (np.cbrt(1 + a * (np.array([low, high]) - a / 6)) - 1)
            low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return Interval(
        scale * (mean / scale - high * error),
        scale * (mean / scale - low * error),
        SKEWNESS_CORRECTED,
        max(count - 1, 1.0),
    )


def _effective_binomial(
    data: Values, mean: float, count: float, bounds: Bounds, confidence: float
) -> Interval:
    """The interval of a share of as many trials as would vary like this mean.

    E. Korn and B. Graubard, Confidence intervals for proportions with small expected number of
    positive counts estimated from survey data, Survey Methodology 24 (1998).
    """
    import numpy as np

    low, high = bounds
    share = min(max((mean - low) / (high - low), 0.0), 1.0)
    variance = float(np.var((data - low) / (high - low))) / len(data)
    trials = share * (1 - share) / variance if variance > 0 else count
    quantiles = normal_quantile(confidence), student_quantile(count, confidence)
    trials *= (quantiles[0] / quantiles[1]) ** 2 * (len(data) - 1) / len(data)
    trials = trials if trials > 0 else count
    return _within(share_interval(share * trials, trials, confidence=confidence), bounds)


def _within(share: Interval, bounds: Bounds) -> Interval:
    """The interval of a share, where 0 stands for one bound and 1 for the other."""
    low, high = bounds
    return Interval(low + (high - low) * share.low, low + (high - low) * share.high, share.method)


def paired_share_interval(
    gained: float, lost: float, n: float, *, confidence: float = CONFIDENCE
) -> Interval:
    """Interval of the difference of two shares of the same `n` items.

    `gained` items are counted in the second share alone, `lost` in the first alone. T. Tango,
    Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design, Statistics in Medicine 17 (1998): the differences that McNemar's score test does not
    refuse.

    >>> interval = paired_share_interval(40, 20, 160)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0309, 0.2181)
    """
    observed = (gained - lost) / n
    quantile = normal_quantile(confidence)

    def statistic(difference: float) -> float:
        linear = -gained - lost + (2 * n - gained + lost) * difference
        constant = -lost * difference * (1 - difference)
        lost_share = (math.sqrt(max(linear**2 - 8 * n * constant, 0.0)) - linear) / (4 * n)
        variance = n * (2 * lost_share + difference * (1 - difference))
        excess = gained - lost - n * difference
        return excess / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, excess)

    def solve(low: float, high: float, wanted: float) -> float:
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if statistic(middle) > wanted else (low, middle)
        return (low + high) / 2

    low = -1.0 if lost == n else solve(-1.0, observed, quantile)
    high = 1.0 if gained == n else solve(observed, 1.0, -quantile)
    return Interval(low, high, SCORE)


def difference_interval(before: tuple[float, Interval], after: tuple[float, Interval]) -> Interval:
    """Interval of the second estimate minus the first, from the interval of each.

    R. Newcombe's (1998) square-and-add, as Zou and Donner (2008) have it for any estimates. Where
    the two vary together, as two models on the same items do, it is wider than needed.
    """
    (first, of_first), (second, of_second) = before, after
    value = second - first
    below = math.hypot(second - of_second.low, of_first.high - first)
    above = math.hypot(of_second.high - second, first - of_first.low)
    return Interval(value - below, value + above, of_second.method)


def bounds_of(values: Iterable[float]) -> Bounds | None:
    """The bounds of values of which nothing is known: those of a share where all are 0 or 1."""
    return SHARE if all(value in SHARE for value in values) else None


def is_negligible(difference: float, *of: float) -> bool:
    """Whether a difference is no more than rounding of the numbers that it is `of`.

    >>> is_negligible(0.3 - (0.1 + 0.2), 0.3), is_negligible(1e-6, 1.0)
    (True, False)
    """
    return abs(difference) <= TOLERANCE * max((abs(each) for each in of), default=0.0)


def excludes_zero(low: float | None, high: float | None) -> bool:
    """Whether an interval of a change says that there is one: an end that is only rounding is zero.

    >>> excludes_zero(0.01, 0.3), excludes_zero(1e-17, 0.3), excludes_zero(1e-16, 2e-16)
    (True, False, False)
    """
    if low is None or high is None or not low <= high:
        return False
    nearer = max(low, -high)
    return nearer > max(ROUNDING, TOLERANCE * max(abs(low), abs(high)))


# No metric here is so small that a change of this size means something.
ROUNDING = 1e-12


def defined_values(values: Sequence[float | None]) -> list[float]:
    """The finite values."""
    return [value for value in values if value is not None and math.isfinite(value)]


def mean_value(values: Sequence[float]) -> float:
    """The mean of at least one value; does not depend on their order.

    >>> mean_value([1e308, 1e308])
    1e+308
    """
    try:
        return math.fsum(values) / len(values)
    except OverflowError:
        # Their sum is beyond the largest float, which their mean is not.
        from statistics import mean

        return mean(values)
