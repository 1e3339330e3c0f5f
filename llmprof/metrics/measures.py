"""Metrics as functions of named items, so that two models can be compared item by item.

A measure has the contribution of each item; its metric is the value for one model, its difference
that of two. Its `unit`, which is assumed to be drawn at random, is the item, or a cluster of
similar items.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from llmprof.metrics.differences import (
    TOO_FEW,
    Difference,
    Row,
    are_shared,
    by_cluster,
    no_change,
    paired,
    paired_difference,
)
from llmprof.metrics.intervals import (
    CONFIDENCE,
    Bounds,
    Interval,
    are_finite,
    defined_values,
    holding,
    is_negligible,
    mean_interval,
    mean_value,
    paired_share_interval,
)
from llmprof.metrics.jackknife import (
    Function,
    count_differing,
    statistic_interval,
    statistic_value,
)
from llmprof.metrics.samples import OVERALL, Metric

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values

NO_VALUE = "no item has a value for this metric"
SINGLE = "one item has no interval"


class Measure(Protocol):
    """A metric before it is a number."""

    @property
    def name(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def units(self) -> Sequence[str]:
        """What each item is called; the same in every run."""

    @property
    def value(self) -> float | None:
        """The metric's value; None where it is not defined."""

    @property
    def covered(self) -> int:
        """Number of contributing items."""

    def metric(self) -> Metric:
        """The value with its interval."""

    def change_from(self, before: Measure, confidence: float = CONFIDENCE) -> Difference | str:
        """The difference from `before`, or the reason why it is unknown.

        `confidence` is that of the interval.
        """


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of one value per item, times `scale`; an item whose value is None is left out.

    `bounds` are known limits of the values, and may be infinite. Items of one cluster are not
    independent: where `clusters` names that of each item, clusters are what is drawn. `unit` says
    in the plural what is drawn. `undefined` is the reason to give when no item has a value, `note`
    what to say about a value.
    """

    name: str
    units: Sequence[str]
    values: Sequence[float | None]
    group: str = OVERALL
    scale: float = 1.0
    undefined: str = NO_VALUE
    note: str | None = None
    bounds: Bounds | None = None
    unit: str = "items"
    clusters: Sequence[str] | None = None

    @property
    def value(self) -> float | None:
        defined = defined_values(self.values)
        return mean_value(defined) * self.scale if defined else None

    @property
    def covered(self) -> int:
        return len(defined_values(self.values))

    def metric(self) -> Metric:
        return _metric(
            self, self.covered, len(self.values), self._interval() if self.covered > 1 else None
        )

    def _interval(self) -> Interval | None:
        if not are_shared(self.clusters):
            found = mean_interval(defined_values(self.values), bounds=self.bounds)
        else:
            rows = [
                None if each is None or not math.isfinite(each) else (each, 1.0)
                for each in self.values
            ]
            sums = by_cluster(rows, self.clusters)
            found = statistic_interval(sums, _ratio, bounds=self.bounds, sizes=(1,))
        return None if found is None else found.scaled(self.scale)

    def change_from(self, before: Measure, confidence: float = CONFIDENCE) -> Difference | str:
        if not isinstance(before, Mean):
            return OTHERWISE_MADE
        pairs: dict[str, tuple[float, float]] = {}
        for unit, (old, new) in paired(before.units, before.values, self.units, self.values):
            if old is not None and new is not None and math.isfinite(old) and math.isfinite(new):
                pairs[unit] = old, new
        if not pairs:
            return Difference(None, None, None, 0, self.unit)
        changes = [
            0.0 if is_negligible(new - old, old, new) else new - old for old, new in pairs.values()
        ]
        clusters = _clusters(before, self, list(pairs))
        values = [value for pair in pairs.values() for value in pair]
        bounds = holding(self.bounds, min(values), max(values))
        if not are_shared(clusters):
            differing = sum(change != 0.0 for change in changes)
            interval = _change_interval(list(pairs.values()), changes, bounds, confidence)
        else:
            sums = by_cluster([(each, 1.0) for each in changes], clusters)
            differing = sum(row[0] != 0.0 for row in sums)
            interval = no_change(bounds, len(sums), differing, confidence) or statistic_interval(
                sums, _ratio, sizes=(1,), confidence=confidence
            )
        return paired_difference(
            mean_value(changes), interval, len(pairs), self.unit, differing, self.scale, bounds
        )


@dataclass(frozen=True, slots=True)
class Statistic:
    """A smooth function of the means of several columns: item i adds `rows[i]`.

    `n` of `n_total` items have a part in it; `size` is the column that says how much of a part,
    where that differs. For the rest see `Mean`, but that `bounds` are those of the function.
    """

    name: str
    units: Sequence[str]
    rows: Sequence[Row]
    function: Function
    n: int
    n_total: int
    group: str = OVERALL
    undefined: str = NO_VALUE
    note: str | None = None
    bounds: Bounds | None = None
    unit: str = "items"
    clusters: Sequence[str] | None = None
    size: int | None = None

    def _sizes(self, *starts: int) -> Sequence[int]:
        """Columns of the size, in rows that begin at each of `starts`."""
        return () if self.size is None else [start + self.size for start in starts or (0,)]

    @property
    def value(self) -> float | None:
        return statistic_value(self.rows, self.function) if self.n and self.rows else None

    @property
    def covered(self) -> int:
        return len(self.rows)

    def metric(self) -> Metric:
        interval = None
        if self.n > 1:
            rows = by_cluster(self.rows, self.clusters)
            interval = statistic_interval(
                rows, self.function, bounds=self.bounds, sizes=self._sizes()
            )
        return _metric(self, self.n, self.n_total, interval)

    def change_from(self, before: Measure, confidence: float = CONFIDENCE) -> Difference | str:
        if not isinstance(before, Statistic):
            return OTHERWISE_MADE
        pairs = dict(paired(before.units, before.rows, self.units, self.rows))
        rows = [(*old, *new) for old, new in pairs.values()]
        if not rows:
            return Difference(None, None, None, 0, self.unit)
        columns = len(rows[0]) // 2

        def change(means: Values) -> Values:
            return self.function(means[..., columns:]) - self.function(means[..., :columns])

        sums = by_cluster(rows, _clusters(before, self, list(pairs)))
        differing = count_differing(sums, columns)
        value = statistic_value(rows, change)
        interval = None
        # As for each alone: what other items have a part in cannot tell how much one item varies.
        if min(before.n, self.n) > 1:
            interval = no_change(
                self.bounds, len(sums), differing, confidence
            ) or statistic_interval(
                sums, change, sizes=self._sizes(0, columns), confidence=confidence
            )
        return paired_difference(
            value, interval, len(rows), self.unit, differing, bounds=self.bounds
        )


@dataclass(frozen=True, slots=True)
class Single:
    """A number without items that another model has too; `why` says what it is instead."""

    made: Metric
    why: str

    @property
    def name(self) -> str:
        return self.made.name

    @property
    def group(self) -> str:
        return self.made.group

    @property
    def units(self) -> Sequence[str]:
        return ()

    @property
    def value(self) -> float | None:
        return self.made.value

    @property
    def covered(self) -> int:
        return self.made.n

    def metric(self) -> Metric:
        return self.made

    def change_from(self, before: Measure, confidence: float = CONFIDENCE) -> Difference | str:
        return self.why


OTHERWISE_MADE = "the two are made in different ways"


def metrics_of(measures: Iterable[Measure]) -> list[Metric]:
    """The metric of each measure, in their order."""
    return [measure.metric() for measure in measures]


def difference(before: Measure, after: Measure, confidence: float = CONFIDENCE) -> Difference | str:
    """The difference of a metric, `after` minus `before`, over common items, or the reason why it
    is unknown."""
    if isinstance(before, Single):
        return before.why
    if any(len(set(each.units)) < len(each.units) for each in (before, after)):
        return "several items have the same id"
    return after.change_from(before, confidence)


def metric_bounds(measure: Measure) -> Bounds | None:
    """The least and the greatest value that a metric can have, where they are known.

    >>> metric_bounds(Mean("m", ["a"], [0.5], scale=100.0, bounds=(0.0, 1.0)))
    (0.0, 100.0)
    """
    if not isinstance(measure, Mean | Statistic) or measure.bounds is None:
        return None
    scale = measure.scale if isinstance(measure, Mean) else 1.0
    return measure.bounds[0] * scale, measure.bounds[1] * scale


def mean_metric(
    name: str,
    values: Sequence[float | None],
    *,
    group: str = OVERALL,
    bounds: Bounds | None = None,
    unit: str = "items",
) -> Metric:
    """The mean of the values that are defined, with its interval (see `Mean`).

    >>> mean_metric("share", [1.0, None, 1.0]).value
    1.0
    """
    units = [""] * len(values)
    return Mean(name, units, values, group, bounds=bounds, unit=unit).metric()


def _change_interval(
    pairs: Sequence[tuple[float, float]],
    changes: Sequence[float],
    bounds: Bounds,
    confidence: float,
) -> Interval | None:
    if not are_finite(bounds) or len(pairs) < 2:
        return mean_interval(changes, confidence=confidence)
    low, high = bounds
    if {low, high}.issuperset(each for pair in pairs for each in pair):
        gained, lost = (sum(sign * each > 0 for each in changes) for sign in (1, -1))
        found = paired_share_interval(gained, lost, len(pairs), confidence=confidence)
        return found.scaled(high - low)
    mean = mean_interval(changes, confidence=confidence)
    if mean is None or not any(changes):
        differing = sum(each != 0.0 for each in changes)
        return no_change(bounds, len(pairs), differing, confidence)
    return mean


def _ratio(means: Values) -> Values:
    ratio: Values = means[..., 0] / means[..., 1]
    return ratio


def _metric(measure: Mean | Statistic, n: int, n_total: int, interval: Interval | None) -> Metric:
    value = measure.value
    if value is None:
        return Metric(
            measure.name,
            None,
            None,
            None,
            n,
            n_total,
            measure.group,
            measure.undefined,
            measure.unit,
            "none",
        )
    if interval is not None:
        low, high, method, why = interval.low, interval.high, interval.method, None
    else:
        low, high, method = None, None, "none"
        why = _why_without(measure, n)
    reason = "; ".join(each for each in (why, measure.note) if each is not None) or None
    return Metric(
        measure.name, value, low, high, n, n_total, measure.group, reason, measure.unit, method
    )


def _why_without(measure: Mean | Statistic, n: int) -> str | None:
    """The reason why a value has no interval; empty for the mean of one item, where n shows it."""
    if n > 1:
        return TOO_FEW
    return SINGLE if isinstance(measure, Statistic) else None


def _clusters(
    before: Mean | Statistic, after: Mean | Statistic, units: Sequence[str]
) -> Sequence[str] | None:
    """The clusters of the items called `units`; one of the runs may not know them."""
    known = after if after.clusters is not None else before
    if known.clusters is None:
        return None
    cluster = dict(zip(known.units, known.clusters, strict=True))
    return [cluster[unit] for unit in units]
