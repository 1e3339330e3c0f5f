"""Differences of a metric between two models, over the units that both have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from llmprof.metrics.intervals import (
    CONFIDENCE,
    ROUNDING,
    Bounds,
    Interval,
    are_finite,
    paired_share_interval,
)

PartT = TypeVar("PartT")
Row: TypeAlias = tuple[float, ...]

TOO_FEW = "too few items have a part in it for an interval"
# Of fewer that differ, all in one direction is no evidence: two-sided, 2 of 2^5 ways are 6%.
FEWEST_DIFFERING = 6


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of one model minus that of another, over the `n` items that both have.

    `differing` counts the units that are not the same in both; of fewer than `FEWEST_DIFFERING` no
    interval says that there is a change. `reason` is why there is no interval, `degrees` are the
    degrees of freedom of the interval's Student's t.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unit: str = "items"
    differing: int = 0
    reason: str | None = None
    method: str = "none"
    degrees: float | None = None


def no_change(
    bounds: Bounds | None, n: int, differing: int, confidence: float = CONFIDENCE
) -> Interval | None:
    """For bounded values that are equal in all units, the interval of a share."""
    if not are_finite(bounds) or differing or n < 2:
        return None
    return paired_share_interval(0, 0, n, confidence=confidence).scaled(bounds[1] - bounds[0])


def paired_difference(
    value: float | None,
    interval: Interval | None,
    n: int,
    unit: str,
    differing: int,
    scale: float = 1.0,
    bounds: Bounds | None = None,
) -> Difference:
    """The difference with its interval; no end is beyond the distance of the values' bounds."""
    if value is None:
        return Difference(None, None, None, n, unit)
    if abs(value) <= ROUNDING:
        value = 0.0
    if interval is None:
        why = f"fewer than two {unit} have a value in both runs" if n < 2 else TOO_FEW
        return Difference(value * scale, None, None, n, unit, differing, why)
    found = possible(interval, value, bounds).scaled(scale)
    return Difference(
        value * scale,
        found.low,
        found.high,
        n,
        unit,
        differing,
        method=found.method,
        degrees=found.degrees,
    )


def possible(found: Interval, value: float, bounds: Bounds | None) -> Interval:
    """The interval of a change by `value`, without changes that are larger than bounds allow."""
    if not are_finite(bounds):
        return found
    largest = max(bounds[1] - bounds[0], abs(value))
    return replace(found, low=max(found.low, -largest), high=min(found.high, largest))


def are_shared(clusters: Sequence[str] | None) -> bool:
    return clusters is not None and len(set(clusters)) < len(clusters)


def by_cluster(rows: Iterable[Row | None], clusters: Sequence[str] | None) -> list[Row]:
    """The sum of the rows of each cluster; the rows themselves where there are no clusters."""
    if clusters is None:
        return [row for row in rows if row is not None]
    by_name: dict[str, list[Row]] = {}
    for row, cluster in zip(rows, clusters, strict=True):
        if row is not None:
            by_name.setdefault(cluster, []).append(row)
    return [tuple(map(math.fsum, zip(*each, strict=True))) for each in by_name.values()]


def paired(
    units_before: Sequence[str],
    before: Sequence[PartT],
    units_after: Sequence[str],
    after: Sequence[PartT],
) -> Iterable[tuple[str, tuple[PartT, PartT]]]:
    """The rows of both models for each common item, by name."""
    if units_before == units_after:
        return zip(units_after, zip(before, after, strict=True), strict=True)
    of_unit: Mapping[str, PartT] = dict(zip(units_before, before, strict=True))
    return (
        (unit, (of_unit[unit], part))
        for unit, part in zip(units_after, after, strict=True)
        if unit in of_unit
    )
