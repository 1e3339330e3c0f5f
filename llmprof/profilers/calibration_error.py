"""Expected calibration error (ECE), with bins of equal mass or of equal width.

Each function returns a statistic of weighted items: it maps weights of shape (resamples, items),
how often each item counts, to one error per resample. The same code thus gives the value and its
bootstrap interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmprof.metrics.bootstrap import Statistic, Values


def equal_mass_error(confidence: Values, correct: Values, bins: int) -> Statistic:
    """ECE by bins of equally many items (Nguyen and O'Connor 2015), as HELM reports it.

    The sum over the bins of their share of the items times |mean confidence - accuracy|. The
    sorted items are divided into `bins` runs whose lengths differ by at most one; items of equal
    confidence stay together, in the lower bin (`get_ece_em` of the package
    `uncertainty-calibration`). One bin is |mean confidence - accuracy| of all.
    """
    import numpy as np

    order, last_equal = _ordered(confidence)
    gaps = (confidence - correct)[order]

    def statistic(weights: Values) -> Values:
        weights = np.take(weights, order, axis=1)
        mass = weights.cumsum(1)
        ends = last_equal[_ends(mass, bins)]
        found = np.take_along_axis((weights * gaps).cumsum(1), ends, axis=1)
        errors = np.abs(np.diff(found, axis=1, prepend=0.0)).sum(1) / mass[:, -1]
        return np.asarray(errors, dtype=float)

    return statistic


def equal_mass_bins(confidence: Values, bins: int) -> NDArray[np.int64]:
    """The bin of each item, from 0, as `equal_mass_error` divides them; empty bins get none."""
    import numpy as np

    order, _ = _ordered(confidence)
    mass = np.arange(1.0, len(order) + 1)[None]
    upper = confidence[order][_ends(mass, bins)[0]]
    return np.searchsorted(upper, confidence, side="left")


def equal_width_error(confidence: Values, correct: Values, bins: int) -> Statistic:
    """ECE by bins of equal width over [0, 1], open below (Guo et al. 2017, equation 3)."""
    import numpy as np

    edges = np.arange(1, bins) / bins
    member = np.searchsorted(edges, confidence, side="left")[:, None] == np.arange(bins)
    gaps = member * (confidence - correct)[:, None]

    def statistic(weights: Values) -> Values:
        errors = np.abs(weights @ gaps).sum(1) / weights.sum(1)
        return np.asarray(errors, dtype=float)

    return statistic


def _ordered(confidence: Values) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The items' order by confidence, and for each place in it the last of equal confidence."""
    import numpy as np

    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    return order, np.searchsorted(ordered, ordered, side="right") - 1


def _ends(mass: Values, bins: int) -> NDArray[np.int64]:
    """Place of the item that completes each bin; `mass` is cumulative, one row per resample.

    A bin ends where the run that `numpy.array_split` would give it is complete.
    """
    import numpy as np

    total = round(float(mass[0, -1]))
    runs = np.array_split(np.arange(total), min(bins, total))
    last = np.cumsum([len(run) for run in runs])
    # Half a unit: weights are whole numbers, and rounding may shift their sums a little.
    return np.stack([np.searchsorted(row, last - 0.5) for row in mass])
