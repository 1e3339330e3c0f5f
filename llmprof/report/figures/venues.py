"""Figure widths and fonts of venues."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SERIF = ("Times New Roman", "Nimbus Roman", "TeX Gyre Termes", "STIXGeneral")
_SANS = ("Arial", "Helvetica", "Nimbus Sans", "DejaVu Sans")


@dataclass(frozen=True, slots=True)
class Venue:
    """Widths in inches of a column and of the whole page, and the font, in points."""

    column: float
    page: float
    fonts: tuple[str, ...]
    size: float


# From the venues' author kits of 2025 and 2026.
VENUES: Mapping[str, Venue] = {
    "acl": Venue(3.03, 6.30, _SERIF, 8),
    "neurips": Venue(5.50, 5.50, _SERIF, 8),
    "icml": Venue(3.25, 6.75, _SERIF, 8),
    "iclr": Venue(5.50, 5.50, _SERIF, 8),
    "ieee": Venue(3.50, 7.16, _SERIF, 8),
    "nature": Venue(3.50, 7.20, _SANS, 7),
}


def style_of(venue: Venue) -> Any:
    """Settings of matplotlib: fonts that are there and stay text, thin lines, no frame."""
    from matplotlib.font_manager import get_font_names

    known = set(get_font_names())
    serif = venue.fonts is _SERIF
    family = "serif" if serif else "sans-serif"
    return {
        "font.family": family,
        f"font.{family}": [name for name in venue.fonts if name in known] or ["DejaVu Sans"],
        "mathtext.fontset": "stix" if serif else "dejavusans",
        "font.size": venue.size,
        "axes.titlesize": venue.size,
        "axes.labelsize": venue.size,
        "xtick.labelsize": venue.size - 1,
        "ytick.labelsize": venue.size - 1,
        "legend.fontsize": venue.size - 1,
        "axes.linewidth": 0.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.major.width": 0.5,
        "ytick.major.width": 0.5,
        "lines.linewidth": 1.0,
        "lines.markersize": 3.5,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        # So that equal figures are equal files.
        "svg.hashsalt": "llmprof",
    }
