"""A leaderboard, printed as a table that fits the terminal, or as full numbers for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from llmprof.console.left_out import print_left_out
from llmprof.console.tables import print_rows, print_table
from llmprof.errors import UsageError
from llmprof.report.contents import Report
from llmprof.report.leaderboard import Column, Leaderboard
from llmprof.report.text import compact_interval, coverage, number, with_interval
from llmprof.safe_text import printable

# A line per run and column: of one run, `mean_z` and `of` are the same in all.
_FIELDS = [
    "rank", "run", "mean_z", "of", "profiler", "dataset", "metric", "value", "ci_low", "ci_high",
    "n", "n_total", "z", "reason",
]  # fmt: skip
_NO_RESULT = "no comparable result"
_ALONE = "no other run has a value"


def print_leaderboard(
    report: Report, board: Leaderboard, format: str, *, z_scores: bool = False
) -> None:
    """Print the runs in order, with a value and its interval for each column.

    What was left out of the report, and its remarks, come below a table, and beside other formats.

    Raises:
        UsageError: there is nothing to rank by.
    """
    if not board.columns:
        raise UsageError(
            "no metric has a direction, so there is nothing to rank by; choose other metrics, or "
            "see `llmprof report`"
        )
    if format == "table":
        _print_table(report, board, z_scores)
        notes = [*_notes(board), *report.remarks]
    else:
        print_rows(_FIELDS, list(_lines(report, board)), format)
        notes = []
    for note in notes:
        print(printable(note))
    print_left_out(report.omissions, sys.stdout if format == "table" else None)


def _print_table(report: Report, board: Leaderboard, z_scores: bool) -> None:
    names = [f"{column.section.profiler}: {column.name}" for column in board.columns]
    unique = [
        name if names.count(name) == 1 else f"{name} ({column.section.dataset})"
        for name, column in zip(names, board.columns, strict=True)
    ]
    heads = [
        name if column.shared_n is None else f"{name}, n {column.shared_n}"
        for name, column in zip(unique, board.columns, strict=True)
    ]
    scores = [column.z_scores() for column in board.columns]
    rows = []
    for place in board.places:
        cells = [
            _cell(column, place.run, z[place.run] if z_scores else None, z_scores=z_scores)
            for column, z in zip(board.columns, scores, strict=True)
        ]
        mean = None if place.score is None else f"{number(place.score)} of {place.of}"
        rows.append((place.rank, report.runs[place.run].label, mean, *cells))
    print_table(["rank", "run", "mean z", *heads], rows, keys=2)


def _cell(column: Column, run: int, z: float | None, *, z_scores: bool) -> str:
    value = column.values[run]
    if value is None or value.value is None:
        return "-"
    between = compact_interval(value.ci_low, value.ci_high)
    shown = number(z) if z_scores else with_interval(number(value.value), between)
    return shown if column.shared_n is not None else f"{shown}, n {coverage(value)}"


def _notes(board: Leaderboard) -> Iterator[str]:
    alone = [
        f"{column.section.profiler}: {column.row.name}"
        for column in board.columns
        if all(z is None for z in column.z_scores())
    ]
    if alone:
        yield f"not in the mean z, which compares two runs or more: {', '.join(alone)}"
    said: dict[str, dict[str, None]] = {}
    for column in board.columns:
        for value in column.values:
            if value is not None and value.reason is not None:
                kind = "not defined" if value.value is None else "note"
                name = f"{column.section.profiler}: {column.row.name}"
                said.setdefault(f"{kind} ({value.reason})", {})[name] = None
    yield from (f"{text}: {', '.join(names)}" for text, names in said.items())


def _lines(report: Report, board: Leaderboard) -> Iterator[list[object]]:
    scores = [column.z_scores() for column in board.columns]
    for place in board.places:
        label = report.runs[place.run].label
        run = [place.rank, label, place.score, place.of]
        for column, z in zip(board.columns, scores, strict=True):
            of = [column.section.profiler, column.section.dataset, column.row.metric]
            value = column.values[place.run]
            if value is None:
                yield [*run, *of, None, None, None, None, None, None, _NO_RESULT]
            else:
                ends = [value.ci_low, value.ci_high, value.n, value.n_total]
                reason = value.reason or (_ALONE if z[place.run] is None else None)
                yield [*run, *of, value.value, *ends, z[place.run], reason]
