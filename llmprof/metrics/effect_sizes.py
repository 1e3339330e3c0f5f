"""Standardised sizes of changes: paired d, and the odds ratio for shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmprof.metrics.differences import are_shared, paired
from llmprof.metrics.intervals import SHARE, is_negligible, mean_value, share_interval
from llmprof.metrics.measures import Mean, Measure
from llmprof.metrics.student import deviation

PAIRED_D = "paired d"
ODDS_RATIO = "odds ratio"
_TAIL = 0.025
# From here on the noncentral t is that of the deviation alone, to a part in d² of the interval's
# width, and the search for its noncentrality is inexact or does not end.
_LARGE = 100.0


@dataclass(frozen=True, slots=True)
class EffectSize:
    """A size of a change with its 95% interval, over `n` items that both runs have.

    `name` is `paired d` (0 is no change) or `odds ratio` (1 is no change). A value or an upper end
    that is None is infinite.
    """

    name: str
    value: float | None
    ci_low: float
    ci_high: float | None
    n: int


def effect_size(before: Measure, after: Measure) -> EffectSize | None:
    """The size of the change; None if items cannot be paired one by one, or none differs."""
    if not isinstance(before, Mean) or not isinstance(after, Mean) or are_shared(after.clusters):
        return None
    pairs = paired_values(before, after)
    if all(value in SHARE for pair in pairs for value in pair):
        gained = sum(new > old for old, new in pairs)
        lost = sum(new < old for old, new in pairs)
        return _odds_ratio(gained, lost, len(pairs))
    return paired_d(pairs)


def paired_values(before: Mean, after: Mean) -> list[tuple[float, float]]:
    """The values of each item that has one in both."""
    return [
        (old, new)
        for _, (old, new) in paired(before.units, before.values, after.units, after.values)
        if old is not None and new is not None and math.isfinite(old) and math.isfinite(new)
    ]


def paired_d(pairs: Sequence[tuple[float, float]]) -> EffectSize | None:
    """The mean of the differences over their standard deviation (Cohen's d_z).

    The interval is exact for normal differences, by the noncentral t distribution (Cumming and
    Finch 2001). None for fewer than two pairs, and where all differences are equal.
    """
    from scipy.special import chdtri, nctdtrinc

    n = len(pairs)
    changes = [0.0 if is_negligible(new - old, old, new) else new - old for old, new in pairs]
    if n < 2 or not any(changes):
        return None
    mean = mean_value(changes)
    spread = deviation(changes)
    if is_negligible(spread, mean):
        return None
    d, root = mean / spread, math.sqrt(n)
    if abs(d) < _LARGE:
        ends = [float(nctdtrinc(n - 1, share, d * root)) / root for share in (1 - _TAIL, _TAIL)]
    else:
        ends = [d * math.sqrt(chdtri(n - 1, share) / (n - 1)) for share in (1 - _TAIL, _TAIL)]
    if not all(map(math.isfinite, ends)):
        return None
    return EffectSize(PAIRED_D, d, min(ends), max(ends), n)


def _odds_ratio(gained: int, lost: int, n: int) -> EffectSize | None:
    """The odds ratio of matched pairs, gained over lost (McNemar), with its exact mid-P interval.

    Agresti, Categorical Data Analysis (2013), section 11.2: given how many items differ, those
    gained are binomial.
    """
    if not gained + lost:
        return None
    share = share_interval(gained, gained + lost)
    return EffectSize(
        ODDS_RATIO,
        gained / lost if lost else None,
        share.low / (1 - share.low),
        share.high / (1 - share.high) if share.high < 1 else None,
        n,
    )
