"""A leaderboard, printed as a table that fits the terminal, or for programs."""

from __future__ import annotations

from llmprof.console.tables import print_rows
from llmprof.report.contents import Report
from llmprof.report.leaderboard import Column, Leaderboard
from llmprof.report.text import compact_interval, number


def print_leaderboard(
    report: Report, board: Leaderboard, format: str, *, z_scores: bool = False
) -> None:
    """Print the runs in order, with a value and its interval for each column."""
    names = [f"{column.section.profiler}: {column.name}" for column in board.columns]
    unique = [
        name if names.count(name) == 1 else f"{name} ({column.section.dataset})"
        for name, column in zip(names, board.columns, strict=True)
    ]
    scores = [column.z_scores() for column in board.columns]
    rows = []
    for rank, place in enumerate(board.places, 1):
        cells = [
            number(column_scores[place.run]) if z_scores else _cell(column, place.run)
            for column, column_scores in zip(board.columns, scores, strict=True)
        ]
        mean = f"{number(place.score)} of {place.of}"
        rows.append((rank, report.runs[place.run].label, mean, *cells))
    print_rows(["rank", "run", "mean z", *unique], rows, format)


def _cell(column: Column, run: int) -> str:
    value = column.values[run]
    if value is None or value.value is None:
        return "-"
    between = compact_interval(value.ci_low, value.ci_high)
    return f"{number(value.value)} ({between})" if between else number(value.value)
