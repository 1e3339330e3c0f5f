"""How a run looks in every figure: Okabe and Ito's colours, safe for colour-blind readers."""

from __future__ import annotations

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8A8F00",
)  # fmt: skip
MARKERS = ("o", "s", "D", "P", "X", "p", "h", "*")


def colour(run: int) -> str:
    """The colour of a run; those of later runs are shifted, so that no two of 64 look alike."""
    return COLOURS[(run + 3 * (run // len(COLOURS))) % len(COLOURS)]


def marker(run: int) -> str:
    """The sign of a run."""
    return MARKERS[run % len(MARKERS)]
