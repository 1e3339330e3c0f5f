"""Agreement of two labellings of the same items: the share that agrees, and Cohen's kappa."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from llmprof.metrics.intervals import ROUNDING, SHARE, Bounds, share_interval
from llmprof.metrics.measures import Mean, Measure, Statistic

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values


def agreement_measures(
    labelled: Sequence[tuple[str, str, str]],
    labels: Sequence[str],
    n_total: int,
    ending: str,
    unit: str = "prompts",
) -> Iterator[Measure]:
    """`agreement_…` and `kappa_…` of two labels; each item has a name and both.

    kappa is that of `beyond_chance`.
    """
    units = [name for name, _, _ in labelled]
    agreeing = [float(first == second) for _, first, second in labelled]
    yield Mean(f"agreement_{ending}", units, agreeing, bounds=SHARE, unit=unit)
    rows = [
        (
            float(first == second),
            *(float(first == label) for label in labels),
            *(float(second == label) for label in labels),
        )
        for _, first, second in labelled
    ]
    count = len(labels)

    def kappa(means: Values) -> Values:
        expected = (means[..., 1 : 1 + count] * means[..., 1 + count :]).sum(-1)
        return beyond_chance(means[..., 0], expected)

    yield Statistic(
        f"kappa_{ending}",
        units,
        rows,
        kappa,
        len(rows),
        n_total,
        undefined="both sides give one and the same label throughout",
        bounds=_bounds_of_kappa([first for _, first, _ in labelled], agreeing),
        unit=unit,
    )


def _bounds_of_kappa(labels: Sequence[str], agreeing: Sequence[float]) -> Bounds:
    """The bounds of kappa; where all items agree, those that their labels allow.

    An item that does not agree costs 1 / (1 - expected agreement): much, where one label is common.
    """
    n = len(labels)
    expected = sum((count / n) ** 2 for count in Counter(labels).values())
    if not all(agreeing) or expected == 1:
        return -1.0, 1.0
    # No end of the interval is below -1.
    least = 1 - 2 / share_interval(0, n).high
    return max(-expected / (1 - expected), least), 1.0


def beyond_chance(observed: Values, expected: Values) -> Values:
    """Cohen's (1960) kappa: (observed - expected agreement) / (1 - expected)."""
    import numpy as np

    gain = observed - expected
    # Rounding alone is no agreement beyond chance.
    kappa: Values = np.where(np.abs(gain) < ROUNDING, 0.0, gain) / (1 - expected)
    return kappa
