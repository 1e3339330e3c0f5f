"""What a student inherits from data: changes over items and seeds, and shares of a difference.

Items and training seeds are crossed: every seed answers every item. So the variance of a mean has a
part of the items, one of the seeds and a rest; by the two-way analysis of variance (Searle, Casella
and McCulloch 1992, chapter 5), it is at most the sum of the parts that the mean squares of seeds
and of items estimate. An interval adds them as S. Banerjee, Approximate confidence interval for
linear functions of means of k populations when the population variances are not equal, Sankhya 22
(1960), does: each with the quantile of its own degrees of freedom. Its confidence is never less
than stated for normal values, whatever the parts are; Satterthwaite's (1946) degrees of freedom
take two seeds that happen to agree for many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmprof.metrics.differences import Row, by_cluster
from llmprof.metrics.intervals import (
    CONFIDENCE,
    TOLERANCE,
    are_finite,
    bounds_of,
    paired_share_interval,
)
from llmprof.metrics.measures import Mean, Measure, Statistic, metric_bounds
from llmprof.metrics.multiple_testing import p_value

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values

ONE_SEED = "one seed: the interval is about other items, not other trainings"
TOO_FEW_ITEMS = "fewer than two items have a value before and after"
NO_DIFFERENCE = "the interval of the data's own difference includes zero"
FIELLER = "Fieller"
CROSSED = "Banerjee's t"

# Value of each item, or of each cluster of items that are alike.
Items = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """A number with its 95% interval over `n` items and `seeds` trainings.

    `reach` is half the width of an interval that is symmetric, before known bounds cut it. `p` is
    of the two-sided test that the number is 0; `p_corrected` is corrected for the number of tests.
    Without a value or an interval, `reason` says why; with one it is a caution.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    seeds: int = 0
    reach: float | None = None
    p: float | None = None
    p_corrected: float | None = None
    reason: str | None = None
    method: str = "none"

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval does."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def scaled(self, factor: float) -> Effect:
        """The estimate of `factor` times the number."""
        if self.value is None:
            return self
        value, reach = self.value * factor, self.reach
        if self.low is None or self.high is None:
            return replace(self, value=value)
        low, high = sorted((self.low * factor, self.high * factor))
        return replace(
            self,
            value=value,
            low=low,
            high=high,
            reach=None if reach is None else abs(factor) * reach,
        )


def items_of(measure: Measure) -> Items:
    """What each item, or cluster of items, adds to a metric, so that the metric is their mean.

    Of a mean these are the values; of any other function of means its pseudo-values (Tukey 1958).
    Nothing for a metric that is not made of items, or whose items share a name.
    """
    import numpy as np

    if isinstance(measure, Mean):
        rows = [
            None if each is None or not math.isfinite(each) else (each * measure.scale, 1.0)
            for each in measure.values
        ]
        names = measure.clusters or measure.units
        sums = dict(zip(_names(rows, names), by_cluster(rows, list(names)), strict=True))
        return _parts_of_a_ratio(sums)
    if not isinstance(measure, Statistic) or len(set(measure.units)) < len(measure.units):
        return {}
    named = _names(measure.rows, measure.clusters or measure.units)
    data = np.asarray(by_cluster(measure.rows, measure.clusters), dtype=float)
    n = len(data)
    if n < 2:
        return {}
    total = data.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        pseudo = n * measure.function(total / n) - (n - 1) * measure.function(
            (total - data) / (n - 1)
        )
    if not np.isfinite(pseudo).all():
        return {}
    return dict(zip(named, pseudo.tolist(), strict=True))


def range_of(measure: Measure) -> float | None:
    """The largest change that a metric can have; None where its bounds are not known or infinite.

    >>> range_of(Mean("m", ["a"], [0.5], scale=100.0, bounds=(0.0, 1.0)))
    100.0
    """
    bounds = metric_bounds(measure)
    return bounds[1] - bounds[0] if are_finite(bounds) else None


def _parts_of_a_ratio(sums: Mapping[str, Row]) -> Items:
    """What each cluster, of a sum and a count, adds to the mean of all items.

    The mean of a cluster where all are of one size; else the linearised ratio (Cochran 1977,
    section 6.3), in which a cluster has its weight.
    """
    counts = {count for _, count in sums.values()}
    if len(counts) <= 1:
        return {name: total / count for name, (total, count) in sums.items()}
    items = math.fsum(count for _, count in sums.values())
    mean = math.fsum(total for total, _ in sums.values()) / items
    return {
        name: mean + (total - mean * count) * len(sums) / items
        for name, (total, count) in sums.items()
    }


def _names(rows: Sequence[object], clusters: Sequence[str]) -> list[str]:
    """The clusters that have a row, in the order in which `by_cluster` has them."""
    pairs = zip(rows, clusters, strict=True)
    return list(dict.fromkeys(cluster for row, cluster in pairs if row is not None))


def crossed_change(
    before: Sequence[Items], after: Sequence[Items], largest: float | None = None
) -> Effect:
    """The mean of the items after minus before, over items and seeds.

    `after` has the items of each training seed; `before` as many, or one for all of them. Of the
    interval, what is beyond the `largest` possible change is left out.
    """
    import numpy as np

    first = list(before) * len(after) if len(before) == 1 else list(before)
    shared = (
        [name for name in first[0] if all(name in each for each in (*first, *after))]
        if after
        else []
    )
    seeds = len(after)
    if not shared:
        return Effect(None, n=0, seeds=seeds, reason="no item has a value before and after")
    old, new = (
        np.asarray([[each[name] for name in shared] for each in runs]) for runs in (first, after)
    )
    effect = crossed_mean(new - old)
    if effect.reach == 0:
        effect = _of_equal_shares(effect, np.concatenate([old, new]))
    return effect if largest is None else _possible(effect, largest)


def _possible(effect: Effect, largest: float) -> Effect:
    if effect.value is None or effect.low is None or effect.high is None:
        return effect
    largest = max(largest, abs(effect.value))
    return replace(effect, low=max(effect.low, -largest), high=min(effect.high, largest))


def _of_equal_shares(effect: Effect, values: Values) -> Effect:
    """An effect without spread, where the values are shares of 0 and 1, or of 0 and 100 percent.

    That all `n` items changed alike does not say that every item would: the interval is that of
    paired shares.
    """
    unit = 100.0 if values.max() > 1 else 1.0
    share = 0.0 if effect.value is None else effect.value / unit
    if bounds_of((values / unit).ravel().tolist()) is None or share not in (-1.0, 0.0, 1.0):
        return effect
    gained, lost = (effect.n if share == sign else 0 for sign in (1.0, -1.0))
    found = paired_share_interval(gained, lost, effect.n)
    p = p_value(share, found.low, found.high, effect.n - 1, gained + lost)
    found = found.scaled(unit)
    reach = max(found.high - share * unit, share * unit - found.low)
    return replace(effect, low=found.low, high=found.high, reach=reach, p=p, method=found.method)


def crossed_mean(data: Values) -> Effect:
    """The mean of a table of seeds (rows) by items (columns), whose interval is about both.

    With one seed its part is not known. The p-value is the least level whose interval excludes 0.
    """
    import numpy as np

    seeds, items = data.shape
    value = math.fsum(data.ravel().tolist()) / data.size
    if items < 2:
        return Effect(value, n=items, seeds=seeds, reason=TOO_FEW_ITEMS)
    parts = [_Part(_variance_of_mean(data.mean(0)), items - 1)]
    if seeds > 1:
        parts.append(_Part(_variance_of_mean(data.mean(1)), seeds - 1))
    rounding = TOLERANCE * float(np.abs(data).max(initial=0.0))
    if math.sqrt(sum(part.variance for part in parts)) <= rounding:
        parts = []
    reach = _reach(parts, 1 - CONFIDENCE)
    return Effect(
        value,
        value - reach,
        value + reach,
        n=items,
        seeds=seeds,
        reach=reach,
        p=_p_value(value, parts) if parts else _p_of_equals(value, items),
        reason=ONE_SEED if seeds == 1 else None,
        method=CROSSED,
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """An estimated part of the variance of a mean, and its degrees of freedom."""

    variance: float
    degrees: float


def _variance_of_mean(values: Values) -> float:
    return float(values.var(ddof=1)) / len(values)


def _reach(parts: Sequence[_Part], level: float) -> float:
    """Half the width of the interval that misses the true value with probability `level`."""
    from scipy.special import stdtrit

    return math.hypot(
        *(math.sqrt(part.variance) * float(stdtrit(part.degrees, level / 2)) for part in parts)
    )


def _p_value(value: float, parts: Sequence[_Part]) -> float:
    low, high = _LEAST_LOG, 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        # A lower level is a wider interval.
        low, high = (
            (low, middle) if _reach(parts, math.exp(middle)) < abs(value) else (middle, high)
        )
    return math.exp(high)


# The logarithm of the smallest p-value, and halvings that find one to twelve digits.
_LEAST_LOG, _STEPS = -690.0, 50


def _p_of_equals(value: float, items: int) -> float:
    """The p-value where all items change alike: that of the sign test."""
    return 1.0 if value == 0.0 else 2.0 ** (1 - min(items, 1000))


def inherited_share(change: Effect, difference: Effect) -> Effect:
    """The student's change divided by the data's difference, by Fieller's (1954) theorem.

    `change` is the student's, after less before; `difference` is the data's, less what the student
    wrote to the same prompts before. The two are taken to be independent: of different prompts.
    There is an interval only where that of `difference` excludes zero.
    """
    n, seeds = change.n, change.seeds
    if change.value is None or difference.value is None:
        return Effect(None, n=n, seeds=seeds, reason=change.reason or difference.reason)
    if change.reach is None or difference.reach is None:
        return Effect(None, n=n, seeds=seeds, reason=TOO_FEW_ITEMS)
    first, second = change.value, difference.value
    free = second**2 - difference.reach**2
    if free <= 0 or not difference.excludes_zero:
        return Effect(None, n=n, seeds=seeds, reason=NO_DIFFERENCE)
    root = math.sqrt(change.reach**2 * free + first**2 * difference.reach**2)
    low, high = sorted(((first * second - root) / free, (first * second + root) / free))
    return Effect(first / second, low, high, n=n, seeds=seeds, reason=change.reason, method=FIELLER)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) corrected p-values: what is small among them is so in all tests together.

    >>> holm([0.01, None, 0.04, 0.03])
    [0.03, None, 0.06, 0.06]
    """
    known = sorted((value, place) for place, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, place) in enumerate(known):
        largest = max(largest, min(1.0, (len(known) - rank) * value))
        corrected[place] = largest
    return corrected
