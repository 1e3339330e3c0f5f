"""Divide the variance of a number among the factors that were crossed, by random effects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmprof.metrics.intervals import CONFIDENCE, Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Cells = NDArray[np.float64]

MLS = "modified large sample"
REST = "rest"
# Of a part of the whole variance that is smaller, nothing but rounding is left.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Component:
    """The part of a factor, or of the `rest`: interactions of factors and noise.

    `variance` is at least 0 and `share` its part of the sum of all. Where it is None, `reason` says
    why; with a value, it is a caution. `interval` is None where there is none.
    """

    factor: str
    levels: int
    variance: float | None
    interval: Interval | None
    share: float | None
    reason: str | None = None

    @property
    def deviation(self) -> float | None:
        """The standard deviation, in the unit of the number."""
        return None if self.variance is None else math.sqrt(self.variance)


def components(
    cells: Cells, factors: Sequence[str], confidence: float = CONFIDENCE
) -> list[Component]:
    """The component of each factor, and the rest; one number per cell of the full crossing.

    `cells` has one axis per factor, in their order. The model is a mean, a random main effect of
    each factor and a rest. Estimates equate mean squares with their expectations (analysis of
    variance), and a negative one is 0. Intervals are Ting, Burdick, Graybill, Jeyaratnam and Lu's
    (1990) modified large-sample intervals, that of the rest follows from chi-squared. A factor with
    one level has no component; where one factor alone has several, it holds the rest too.
    """

    several = [axis for axis, size in enumerate(cells.shape) if size > 1]
    total = float(((cells - cells.mean()) ** 2).sum())
    squares = {axis: _sum_of_squares(cells, axis) for axis in several}
    rest_freedom = cells.size - 1 - sum(cells.shape[axis] - 1 for axis in several)
    rest_squares = max(total - math.fsum(squares.values()), 0.0)
    if rest_squares <= _ROUNDING * total:
        rest_squares = 0.0
    rest = rest_squares / rest_freedom if rest_freedom else None
    found: dict[str, tuple[float, Interval]] = {}
    for axis in several:
        size = cells.shape[axis]
        mean_square = squares[axis] / (size - 1)
        repeats = cells.size // size
        if rest is None:
            found[factors[axis]] = mean_square, _of_mean_square(mean_square, size - 1, confidence)
        else:
            estimate = max((mean_square - rest) / repeats, 0.0)
            ends = _modified(mean_square, size - 1, rest, rest_freedom, confidence)
            found[factors[axis]] = estimate, ends.scaled(1 / repeats)
    if rest is not None:
        found[REST] = rest, _of_mean_square(rest, rest_freedom, confidence)
    whole = math.fsum(variance for variance, _ in found.values())
    sizes = dict(zip(factors, cells.shape, strict=True))
    return [
        _component(name, sizes.get(name, cells.size), found.get(name), whole, bool(several))
        for name in (*factors, REST)
    ]


def _component(
    name: str, levels: int, found: tuple[float, Interval] | None, whole: float, any_several: bool
) -> Component:
    if found is None:
        why = "one level only" if name != REST else "one factor alone varies, and holds the rest"
        if name == REST and not any_several:
            why = "nothing varies"
        return Component(name, levels, None, None, None, why)
    variance, interval = found
    few = "two levels say little of a variance" if name != REST and levels == 2 else None
    return Component(name, levels, variance, interval, variance / whole if whole > 0 else None, few)


def _sum_of_squares(cells: Cells, axis: int) -> float:
    others = tuple(each for each in range(cells.ndim) if each != axis)
    means = cells.mean(axis=others)
    return float(cells.size / cells.shape[axis] * ((means - cells.mean()) ** 2).sum())


def _of_mean_square(mean_square: float, freedom: int, confidence: float) -> Interval:
    from scipy.special import chdtri

    tail = (1 - confidence) / 2
    return Interval(
        mean_square * freedom / float(chdtri(freedom, tail)),
        mean_square * freedom / float(chdtri(freedom, 1 - tail)),
        "chi-squared",
    )


def _modified(
    mean_square: float, freedom: int, rest: float, rest_freedom: int, confidence: float
) -> Interval:
    """Interval of the difference of two mean squares' expectations, at least 0.

    N. Ting, R. Burdick, F. Graybill, S. Jeyaratnam and T. Lu, Confidence intervals on linear
    combinations of variance components that are unrestricted in sign, Journal of Statistical
    Computation and Simulation 35 (1990).
    """
    from scipy.special import chdtri, fdtri

    tail = (1 - confidence) / 2

    def of_large(count: int, upper: float) -> float:
        """The quantile of F with infinite degrees of freedom below."""
        return float(chdtri(count, upper)) / count

    up, down = (
        float(fdtri(freedom, rest_freedom, 1 - tail)),
        float(fdtri(freedom, rest_freedom, tail)),
    )
    g_first = 1 - 1 / of_large(freedom, tail)
    h_first = 1 / of_large(freedom, 1 - tail) - 1
    g_rest = 1 - 1 / of_large(rest_freedom, tail)
    h_rest = 1 / of_large(rest_freedom, 1 - tail) - 1
    g_both = ((up - 1) ** 2 - (g_first * up) ** 2 - h_rest**2) / up
    h_both = ((1 - down) ** 2 - (h_first * down) ** 2 - g_rest**2) / down
    product = mean_square * rest
    below = (g_first * mean_square) ** 2 + (h_rest * rest) ** 2 + g_both * product
    above = (h_first * mean_square) ** 2 + (g_rest * rest) ** 2 + h_both * product
    difference = mean_square - rest
    return Interval(
        max(difference - math.sqrt(max(below, 0.0)), 0.0),
        max(difference + math.sqrt(max(above, 0.0)), 0.0),
        MLS,
    )


def full_crossing(
    cells: Mapping[tuple[str, ...], float], factors: int
) -> tuple[list[list[str]], dict[tuple[str, ...], float]]:
    """The levels of each factor whose combinations are all there, and their cells.

    Of an incomplete crossing, the levels that lack most combinations are left out, one at a time.
    """
    kept = dict(cells)
    while True:
        levels = [list(dict.fromkeys(cell[axis] for cell in kept)) for axis in range(factors)]
        if len(kept) == math.prod(map(len, levels)):
            return levels, kept
        # The level with the smallest part of the combinations that it could have.
        parts = [
            (sum(cell[axis] == level for cell in kept) * len(each) / len(kept), axis, level)
            for axis, each in enumerate(levels)
            for level in each
            if len(each) > 1
        ]
        # Of equal parts, that of the last factor: models come first.
        _, axis, worst = min(parts, key=lambda part: (part[0], -part[1], part[2]))
        kept = {cell: value for cell, value in kept.items() if cell[axis] != worst}
