"""Expected calibration error, by bins of equal mass and of equal width.

Each function makes a statistic of weighted items: it maps weights of shape (resamples, items), how
often each item counts, to one error a resample, so that the same code gives the value and its
bootstrap interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmprof.stats import Statistic, Values


def equal_mass_error(confidence: Values, correct: Values, bins: int) -> Statistic:
    """ECE by bins of equally many items (Nguyen and O'Connor 2015), as HELM reports it.

    The sum over the bins of their share of the items times |mean confidence - accuracy|. The
    sorted items are divided into `bins` runs whose lengths differ by at most one; items of equal
    confidence stay together, in the lower bin (`get_ece_em` of the package
    `uncertainty-calibration`). One bin is |mean confidence - accuracy| of all.
    """
    import numpy as np

    order, starts, values = _distinct(confidence)
    hits = correct[order]

    def statistic(weights: Values) -> Values:
        weights = weights[:, order]
        mass = np.add.reduceat(weights, starts, axis=1).cumsum(1)
        right = np.add.reduceat(weights * hits, starts, axis=1).cumsum(1)
        believed = (np.add.reduceat(weights, starts, axis=1) * values).cumsum(1)
        ends = _ends(mass, bins)
        gaps = np.take_along_axis(believed - right, ends, axis=1)
        errors = np.abs(np.diff(gaps, axis=1, prepend=0.0)).sum(1) / mass[:, -1]
        return np.asarray(errors, dtype=float)

    return statistic


def equal_mass_bins(confidence: Values, bins: int) -> NDArray[np.int64]:
    """The bin of each item, from 0, as `equal_mass_error` divides them; empty bins get none."""
    import numpy as np

    order, starts, values = _distinct(confidence)
    mass = np.add.reduceat(np.ones((1, len(order))), starts, axis=1).cumsum(1)
    upper = values[_ends(mass, bins)[0]]
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


def _distinct(confidence: Values) -> tuple[NDArray[np.int64], NDArray[np.int64], Values]:
    """The items' order by confidence, where each distinct value starts in it, and these values."""
    import numpy as np

    order = np.argsort(confidence, kind="stable")
    values, starts = np.unique(confidence[order], return_index=True)
    return order, starts, values


def _ends(mass: Values, bins: int) -> NDArray[np.int64]:
    """Index of the distinct value that each bin ends with; `mass` is cumulative, a row a resample.

    A bin ends where the run that `numpy.array_split` would give it is complete.
    """
    import numpy as np

    total = round(float(mass[0, -1]))
    runs = np.array_split(np.arange(total), min(bins, total))
    last = np.cumsum([len(run) for run in runs])
    # Half a unit: the weights are whole, and sums of them may be a little off.
    return np.stack([(mass < end - 0.5).sum(1) for end in last], axis=1)
