"""The leaderboard of a page: many runs as a table, shaded like a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmprof.report.contents import Report
from llmprof.report.leaderboard import Column, leaderboard
from llmprof.report.text import coverage, interval, number, shown

# Of two runs, the changes say more.
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class BoardCell:
    """A value and its z-score as text; `shade` is 0 to 1, or None where there is nothing to shade.

    `interval` has the n too where the runs of a column differ in it. `rank` orders a column: the
    z-score, or None without one.
    """

    value: str
    interval: str
    z_score: str
    rank: float | None
    shade: float | None
    z_shade: float | None


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A run; `mean` is its mean z-score over `of` columns."""

    run: int
    label: str
    model: str
    mean: str
    rank: float | None
    of: int
    cells: Sequence[BoardCell]


@dataclass(frozen=True, slots=True)
class Board:
    """Names of the columns, and the runs, the best first."""

    columns: Sequence[str]
    rows: Sequence[BoardRow]


def board_of(report: Report) -> Board | None:
    """The leaderboard of the report; None for fewer than three runs, or without a direction."""
    found = leaderboard(report)
    if len(report.runs) < _FEWEST or not found.columns:
        return None
    z_scores = [column.z_scores() for column in found.columns]
    rows = []
    for place in found.places:
        run = report.runs[place.run]
        cells = [
            _cell(column, place.run, z[place.run])
            for column, z in zip(found.columns, z_scores, strict=True)
        ]
        rows.append(
            BoardRow(
                place.run, run.label, run.model, number(place.score), place.score, place.of, cells
            )
        )
    names = [
        f"{each.section.title}: {each.name}"
        + ("" if each.shared_n is None else f", n {each.shared_n}")
        for each in found.columns
    ]
    return Board(names, rows)


def _cell(column: Column, run: int, z_score: float | None) -> BoardCell:
    value = column.values[run]
    if value is None or value.value is None:
        return BoardCell("-", "", "-", None, None, None)
    shade = column.scale.position(value.value) if column.scale.is_bounded else None
    # Two standard deviations to either side are the ends of the shades.
    z_shade = None if z_score is None else min(max((z_score + 2) / 4, 0.0), 1.0)
    ends = interval(value.ci_low, value.ci_high)
    if column.shared_n is None:
        ends = f"{ends}, n {coverage(value)}".removeprefix(", ")
    return BoardCell(shown(value), ends, number(z_score), z_score, shade, z_shade)
