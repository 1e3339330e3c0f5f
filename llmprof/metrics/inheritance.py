"""What a student inherits from data: changes over items and seeds, and shares of a difference.

Items and training seeds are crossed: every seed answers every item. So the variance of a mean has a
part of the items, one of the seeds and a rest, estimated by the two-way analysis of variance
(Searle, Casella and McCulloch 1992, chapter 5), with Satterthwaite's (1946) degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmprof.metrics.differences import Row, by_cluster
from llmprof.metrics.intervals import CONFIDENCE, TOLERANCE, bounds_of, paired_share_interval
from llmprof.metrics.measures import Mean, Measure, Statistic
from llmprof.metrics.multiple_testing import p_value

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values

ONE_SEED = "one seed: the interval is about other items, not other trainings"
TOO_FEW_ITEMS = "fewer than two items have a value before and after"
NO_DIFFERENCE = "the interval of the data's own difference includes zero"
FIELLER = "Fieller"
CROSSED = "two-way t"

# Value of each item, or of each cluster of items that are alike.
Items = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """A number with its 95% interval over `n` items and `seeds` trainings.

    `error` is the standard error and `degrees` its degrees of freedom. `p` is of the two-sided
    test that the number is 0; `p_corrected` is corrected for the number of tests. Without a value
    or an interval, `reason` says why; with one it is a caution.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    seeds: int = 0
    error: float | None = None
    degrees: float | None = None
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
        value, error = self.value * factor, self.error
        if self.low is None or self.high is None:
            return replace(self, value=value)
        low, high = sorted((self.low * factor, self.high * factor))
        return replace(
            self,
            value=value,
            low=low,
            high=high,
            error=None if error is None else abs(factor) * error,
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


def crossed_change(before: Sequence[Items], after: Sequence[Items]) -> Effect:
    """The mean of the items after minus before, over items and seeds.

    `after` has the items of each training seed; `before` as many, or one for all of them.
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
    return _of_equal_shares(effect, np.concatenate([old, new])) if effect.error == 0 else effect


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
    return replace(effect, low=found.low, high=found.high, p=p, method=found.method)


def crossed_mean(data: Values) -> Effect:
    """The mean of a table of seeds (rows) by items (columns), whose interval is about both.

    The part of the seeds is taken for no less than 0. With one seed it is not known.
    """
    import numpy as np

    seeds, items = data.shape
    value = math.fsum(data.ravel().tolist()) / data.size
    if items < 2:
        return Effect(value, n=items, seeds=seeds, reason=TOO_FEW_ITEMS)
    of_seeds, of_items = data.mean(1), data.mean(0)
    between_items = seeds * float(((of_items - value) ** 2).sum()) / (items - 1)
    variance, degrees = between_items, float(items - 1)
    if seeds > 1:
        rest = data - of_seeds[:, None] - of_items[None, :] + value
        within = float((rest**2).sum()) / ((seeds - 1) * (items - 1))
        between_seeds = items * float(((of_seeds - value) ** 2).sum()) / (seeds - 1)
        if between_seeds > within:
            variance = between_items + between_seeds - within
            parts = (
                between_items**2 / (items - 1)
                + between_seeds**2 / (seeds - 1)
                + within**2 / ((seeds - 1) * (items - 1))
            )
            degrees = variance**2 / parts if parts > 0 else degrees
    error = math.sqrt(variance / data.size)
    if error <= TOLERANCE * float(np.abs(data).max(initial=0.0)):
        error = 0.0
    reach = _quantile(degrees) * error
    return Effect(
        value,
        value - reach,
        value + reach,
        n=items,
        seeds=seeds,
        error=error,
        degrees=degrees,
        p=_two_sided(value, error, degrees, items),
        reason=ONE_SEED if seeds == 1 else None,
        method=CROSSED,
    )


def inherited_share(change: Effect, difference: Effect) -> Effect:
    """The student's change divided by the data's difference, by Fieller's (1954) theorem.

    `change` is the student's, after less before; `difference` is the data's, less what the student
    wrote to the same prompts before. The two are taken to be independent: of different prompts.
    There is an interval only where that of `difference` excludes zero.
    """
    n, seeds = change.n, change.seeds
    if change.value is None or difference.value is None:
        return Effect(None, n=n, seeds=seeds, reason=change.reason or difference.reason)
    if change.error is None or difference.error is None:
        return Effect(None, n=n, seeds=seeds, reason=TOO_FEW_ITEMS)
    degrees = min(change.degrees or 1.0, difference.degrees or 1.0)
    squared = _quantile(degrees) ** 2
    first, second = change.value, difference.value
    free = second**2 - squared * difference.error**2
    if free <= 0 or not difference.excludes_zero:
        return Effect(None, n=n, seeds=seeds, reason=NO_DIFFERENCE)
    root = math.sqrt(squared * (change.error**2 * free + first**2 * difference.error**2))
    low, high = sorted(((first * second - root) / free, (first * second + root) / free))
    return Effect(
        first / second,
        low,
        high,
        n=n,
        seeds=seeds,
        degrees=degrees,
        reason=change.reason,
        method=FIELLER,
    )


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


def _quantile(degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(degrees, 1.0), (1 + CONFIDENCE) / 2))


def _two_sided(value: float, error: float, degrees: float, items: int) -> float:
    """The p-value of no change; of items that all change alike, that of the sign test."""
    from scipy.special import stdtr

    if error == 0.0:
        return 1.0 if value == 0.0 else 2.0 ** (1 - min(items, 1000))
    return float(2 * stdtr(max(degrees, 1.0), -abs(value) / error))
