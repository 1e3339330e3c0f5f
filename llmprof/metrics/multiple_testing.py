"""P-values of changes, and their correction where a report makes many comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence

# The share of false ones among the changes that are called clear.
FALSE_DISCOVERY_RATE = 0.05
_UPPER = 0.975


def standardized(change: float, low: float, high: float, degrees: float) -> float:
    """The change over its standard error, which follows from its 95% interval.

    The end towards zero counts, so that the result is as cautious as the interval where that is
    not symmetric. Altman and Bland, How to obtain the P value from a confidence interval, BMJ 343
    (2011), with Student's t of these degrees of freedom.

    >>> round(standardized(2.0, 1.0, 3.0, 10_000), 2)
    3.92
    """
    width = change - low if change > 0 else high - change
    if width <= 0:
        return math.copysign(math.inf, change) if change else 0.0
    return change * _quantile(degrees) / width


def p_value(
    change: float, low: float, high: float, degrees: float, differing: int | None = None
) -> float:
    """Two-sided p-value of no change; at most 0.05 exactly where the interval excludes zero.

    `degrees` are those of the interval. `differing` units are not the same in both runs. Where all
    of them went one way, chance alone does so in 2 of 2 to the power of `differing` cases, and the
    p-value is never below that.
    """
    from scipy.special import stdtr

    found = 2 * float(stdtr(max(degrees, 1), -abs(standardized(change, low, high, degrees))))
    least = 0.0 if differing is None else 2.0 ** (1 - min(differing, 1000))
    return min(1.0, max(found, least))


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's (1995) adjusted p-values, in the order given.

    Those of at most q are the changes to call clear, of which a share of q is expected to be false.
    (`scipy.stats.false_discovery_control` gives the same, and takes a second to import.)

    >>> [round(each, 3) for each in adjusted([0.01, 0.04, 0.03, 0.5])]
    [0.04, 0.053, 0.053, 0.5]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    found = [1.0] * len(p_values)
    least = 1.0
    for rank, place in zip(range(len(order), 0, -1), order, strict=True):
        least = min(least, p_values[place] * len(order) / rank)
        found[place] = least
    return found


def _quantile(degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(degrees, 1), _UPPER))
