"""Metrics as functions of named units, so that two models can be compared unit by unit.

A unit is what a bootstrap draws: an item, a prompt with its completions, a target term. A measure
knows what each unit adds; its metric is a number of one model, its `difference` of two.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from llmprof.metrics.bootstrap import (
    NO_VALUE,
    Difference,
    Row,
    defined_values,
    mean_metric,
    mean_value,
    paired_difference,
    paired_statistic_difference,
    statistic_metric,
    statistic_value,
)
from llmprof.metrics.samples import OVERALL, Metric

if TYPE_CHECKING:
    from llmprof.metrics.bootstrap import Statistic, Values

PartT = TypeVar("PartT")


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of one value a unit, times `scale`; a unit whose value is None has no part in it.

    `undefined` is the reason to give when no unit has a value, `note` what to say about a value.
    """

    name: str
    units: Sequence[str]
    values: Sequence[float | None]
    group: str = OVERALL
    scale: float = 1.0
    undefined: str = NO_VALUE
    note: str | None = None

    @property
    def value(self) -> float | None:
        """The metric's value."""
        defined = defined_values(self.values)
        return mean_value(defined) * self.scale if defined else None

    @property
    def covered(self) -> int:
        """How many units have a part in it."""
        return len(defined_values(self.values))

    def metric(self) -> Metric:
        """The value with its interval."""
        return mean_metric(
            self.name,
            self.values,
            group=self.group,
            scale=self.scale,
            undefined=self.undefined,
            note=self.note,
        )


@dataclass(frozen=True, slots=True)
class Weighted:
    """A statistic of weighted rows: unit i adds `rows[i]`.

    `statistic` takes rows, shape (rows, columns), and gives a function of how often each counts in
    each resample (see `bootstrap.statistic_interval`). Equal rows are kept once. `n` of
    `n_total` items have a part in it; for `undefined` and `note` see `Mean`.
    """

    name: str
    units: Sequence[str]
    rows: Sequence[Row]
    statistic: Callable[[Values], Statistic]
    n: int
    n_total: int
    group: str = OVERALL
    undefined: str = NO_VALUE
    note: str | None = None

    @property
    def value(self) -> float | None:
        """The metric's value."""
        return statistic_value(*self._counted()) if self.n and self.rows else None

    @property
    def covered(self) -> int:
        """How many units have a part in it."""
        return len(self.rows)

    def metric(self) -> Metric:
        """The value with its interval."""
        if not self.rows:
            return Metric(
                self.name, None, None, None, self.n, self.n_total, self.group, self.undefined
            )
        return statistic_metric(
            self.name,
            *self._counted(),
            n=self.n,
            n_total=self.n_total,
            group=self.group,
            undefined=self.undefined,
            note=self.note,
        )

    def _counted(self) -> tuple[list[int], Statistic]:
        """How often each distinct row occurs, and the statistic of these rows."""
        import numpy as np

        # Sorted, so that the order of the units changes nothing.
        counted = sorted(Counter(self.rows).items())
        rows = np.asarray([row for row, _ in counted], dtype=float)
        return [count for _, count in counted], self.statistic(rows)


@dataclass(frozen=True, slots=True)
class Single:
    """A number without units that another model has too; `why` says what it is instead."""

    made: Metric
    why: str

    @property
    def name(self) -> str:
        return self.made.name

    @property
    def group(self) -> str:
        return self.made.group

    @property
    def value(self) -> float | None:
        return self.made.value

    def metric(self) -> Metric:
        return self.made


Measure: TypeAlias = Mean | Weighted | Single


def metrics_of(measures: Iterable[Measure]) -> list[Metric]:
    """The metric of each measure, in their order."""
    return [measure.metric() for measure in measures]


def difference(before: Measure, after: Measure) -> Difference | str:
    """How much higher a metric is in `after`, over the units of both, or why that is not known.

    The interval is a paired bootstrap over units (see `bootstrap.paired_difference`).
    """
    if isinstance(before, Single) or isinstance(after, Single):
        return next(each.why for each in (before, after) if isinstance(each, Single))
    if any(len(set(each.units)) < len(each.units) for each in (before, after)):
        return "several items have the same id"
    if isinstance(before, Mean) and isinstance(after, Mean):
        pairs = _paired(before.units, before.values, after.units, after.values)
        return paired_difference(pairs, after.scale)
    if isinstance(before, Weighted) and isinstance(after, Weighted):
        rows = _paired(before.units, before.rows, after.units, after.rows)
        found = paired_statistic_difference(rows, after.statistic)
        # As for each alone: what other items have a part in cannot tell how much one item varies.
        single = min(before.n, after.n) < 2
        return replace(found, ci_low=None, ci_high=None) if single else found
    return "the two are made in different ways"


def _paired(
    units_before: Sequence[str],
    before: Sequence[PartT],
    units_after: Sequence[str],
    after: Sequence[PartT],
) -> Iterable[tuple[PartT, PartT]]:
    """What the two have for each unit of both."""
    if units_before == units_after:
        return zip(before, after, strict=True)
    of_unit = dict(zip(units_after, after, strict=True))
    return (
        (part, of_unit[unit])
        for unit, part in zip(units_before, before, strict=True)
        if unit in of_unit
    )
