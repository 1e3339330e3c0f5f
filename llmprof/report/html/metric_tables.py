"""Tables of the page: metrics as text, with the verdict on each change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from llmprof.profilers import Scale
from llmprof.report.contents import Change, Report, Row, Section, Value
from llmprof.report.text import (
    coverage,
    general_notes,
    interval,
    percent,
    shown,
    signed,
    with_interval,
)
from llmprof.report.verdicts import direction, mark, verdict


@dataclass(frozen=True, slots=True)
class Moved:
    """A change as text, with its verdict; `alone` is that of its own interval, if it differs."""

    change: str
    interval: str
    n: str
    note: int | None
    verdict: str
    sign: str = ""
    alone: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value as text; `note` is the number of a note below the table."""

    value: str
    interval: str = ""
    n: str = ""
    note: int | None = None
    moved: Moved | None = None


@dataclass(frozen=True, slots=True)
class TableRow:
    """One metric of one group; None if a run has no such number."""

    metric: str
    group: str
    direction: str
    cells: Sequence[Cell | None]


@dataclass(frozen=True, slots=True)
class Table:
    """A section's numbers. `notes` are numbered from 1, `remarks` are about all numbers."""

    title: str
    section: Section
    rows: Sequence[TableRow]
    notes: Sequence[str]
    remarks: Sequence[str] = ()


@dataclass(slots=True)
class _Notes:
    texts: dict[str, int] = field(default_factory=dict)

    def place(self, text: str | None) -> int | None:
        return None if text is None else self.texts.setdefault(text, len(self.texts) + 1)


def tables(report: Report) -> list[Table]:
    """One table per section, with every metric."""
    return [_table(report, section, section.rows) for section in report.sections]


def overview_tables(report: Report) -> list[Table]:
    """The numbers behind the overview: summary metrics with a direction."""
    found = (
        _table(
            report,
            section,
            [row for row in section.rows if section.is_summary(row) and row.scale is not None],
        )
        for section in report.sections
    )
    return [table for table in found if table.rows]


def _table(report: Report, section: Section, rows: Sequence[Row]) -> Table:
    notes = _Notes()
    made = []
    for row in rows:
        scale = row.scale
        base = None if report.baseline is None else row.values[report.baseline]
        cells = [
            None if value is None else _cell(value, change, base, scale, notes)
            for value, change in zip(row.values, row.changes, strict=True)
        ]
        direction = "" if scale is None else scale.arrow
        made.append(TableRow(row.label, row.group, direction, cells))
    return Table(section.title, section, made, list(notes.texts), general_notes(section, report))


def _cell(
    value: Value, change: Change | None, base: Value | None, scale: Scale | None, notes: _Notes
) -> Cell:
    note = notes.place(value.reason)
    if value.value is None:
        return Cell("not defined", "", coverage(value), note)
    between = interval(value.ci_low, value.ci_high)
    moved = None if change is None else _moved(value, change, base, scale, notes)
    return Cell(shown(value), between, coverage(value), note, moved)


def _moved(
    value: Value, change: Change, base: Value | None, scale: Scale | None, notes: _Notes
) -> Moved:
    relative = "" if change.percent is None else percent(change.percent)
    alone = direction(value, base, scale) if change.excludes_zero and not change.is_clear else ""
    return Moved(
        with_interval(signed(change.absolute), relative),
        interval(change.ci_low, change.ci_high),
        str(change.n),
        notes.place(change.reason),
        verdict(value, change, base, scale),
        mark(change),
        alone,
    )


def count_verdicts(report: Report, tables: Sequence[Table]) -> list[tuple[str, Counter[str]]]:
    """Verdicts on the summary metrics of each run but the baseline, counted."""
    counts: list[tuple[str, Counter[str]]] = []
    for place, run in enumerate(report.runs):
        if report.baseline is None or place == report.baseline:
            continue
        found = Counter(
            cell.moved.verdict
            for table in tables
            for row, source in zip(table.rows, table.section.rows, strict=True)
            if table.section.is_summary(source)
            and (cell := row.cells[place]) is not None
            and cell.moved
        )
        if found:
            counts.append((run.label, found))
    return counts


def directions(report: Report) -> list[tuple[str, str, Scale]]:
    """Profiler, metric and scale of every metric with a direction that the report shows."""
    found = {
        (section.profiler, section.presentation.label(section.presentation.stem(row.metric))): (
            row.scale
        )
        for section in report.sections
        for row in section.rows
        if row.scale is not None
    }
    return [(profiler, metric, scale) for (profiler, metric), scale in found.items()]
