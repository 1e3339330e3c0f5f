"""A report on the terminal: tables with bars, fitted to its width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmprof.report.contents import Change, Report, Section, Value
from llmprof.report.terminal_steps import print_course
from llmprof.report.text import (
    Line,
    columns_of,
    compact_interval,
    coverage,
    has_changes,
    interval,
    lines_of,
    notes_of,
    percent,
    shown,
    signed,
    words_of,
)
from llmprof.report.verdicts import legend, mark
from llmprof.safe_text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


_BAR, _INTERVAL_BAR = 10, 17
# A number and the space next to it.
_NARROWEST_COLUMN = 4


@dataclass(frozen=True, slots=True)
class _Layout:
    """The runs shown side by side; `stacked` intervals are below their numbers."""

    bars: bool
    stacked: bool
    runs: int


def print_report(report: Report, console: Console) -> None:
    """Print the runs, one table per section, and the omissions."""

    def say(text: str) -> None:
        # Lines are not wrapped in files; on a terminal they wrap between words.
        whole = not console.is_terminal
        console.print(printable(text), markup=False, highlight=False, soft_wrap=whole)

    _print_runs(report, console, say)
    for headline in report.headlines:
        console.print(printable(headline), markup=False, highlight=False)
    if report.headlines:
        say("")
    for section in report.sections:
        if report.steps:
            print_course(section, report, console)
        else:
            _print_section(section, report, console)
        for note in (*words_of(section), *notes_of(section, report)):
            say(note)
        say(f"source {section.source}, SHA-256 {section.sha256[:12]}")
        if section.demonstration:
            say("demonstration data: not comparable with published numbers")
        say("")
    if has_changes(report):
        say(legend(report))
    for remark in report.remarks:
        say(remark)
    for omission in report.omissions:
        say(f"left out: {omission.what}: {omission.why}")


def _print_runs(report: Report, console: Console, say: Callable[[str], None]) -> None:
    if len(report.runs) == 1:
        (run,) = report.runs
        say(f"{run.model} on {run.backend}, run {run.run_id}: {run.status}")
        return
    one_model = len({(run.model, run.backend) for run in report.runs}) == 1
    if one_model:
        say(f"{report.runs[0].model} on {report.runs[0].backend}")
    table = _new_table("label", *([] if one_model else ["model", "backend"]), "run", "status")
    for place, run in enumerate(report.runs):
        baseline = " (baseline)" if place == report.baseline else ""
        of_model = [] if one_model else [run.model, run.backend]
        cells = (run.label + baseline, *of_model, run.run_id, run.status)
        table.add_row(*map(printable, cells))
    console.print(table, markup=False)


def _print_section(section: Section, report: Report, console: Console) -> None:
    lines, places = lines_of(section), columns_of(section)
    from rich.text import Text

    # Rich would read markup in a plain title.
    size = f", {section.size}" if section.size else ""
    name = f"{section.profiler} on {section.dataset} ({section.protocol_version}){size}"
    title = Text(printable(name))
    for table in _fitting(lines, report, places, console):
        table.title = title
        console.print(table, markup=False)


def _fitting(
    lines: Sequence[Line], report: Report, places: Sequence[int], console: Console
) -> list[Table]:
    """The richest layout that fits the console; several tables if none fits."""
    baseline = report.baseline if report.baseline in places else None
    others = [place for place in places if place != baseline]
    most = max(1, len(others))
    # More runs than this never fit.
    room = min(most, max(1, console.width // _NARROWEST_COLUMN))

    def tables(layout: _Layout) -> list[Table]:
        starts = range(0, len(others), layout.runs)
        parts = [others[start : start + layout.runs] for start in starts] or [[]]
        return [_table(lines, report, baseline, part, layout) for part in parts]

    if room == most:
        for bars in (True, False):
            if _fits(whole := tables(_Layout(bars, False, most)), console):
                return whole
    # Fewer runs side by side are never wider: find the most that fit by bisection.
    fewest, found = 1, None
    while fewest <= room:
        runs = (fewest + room + 1) // 2
        candidate = tables(_Layout(False, True, runs))
        if _fits(candidate, console):
            fewest, found = runs + 1, candidate
        else:
            room = runs - 1
    return found or tables(_Layout(False, True, 1))


def _fits(tables: Sequence[Table], console: Console) -> bool:
    from rich.measure import Measurement

    unbounded = console.options.update(width=10_000, markup=False)
    return all(
        Measurement.get(console, unbounded, table).maximum <= console.width for table in tables
    )


def _new_table(*columns: str) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _table(
    lines: Sequence[Line],
    report: Report,
    baseline: int | None,
    others: Sequence[int],
    layout: _Layout,
) -> Table:
    places = [*([] if baseline is None else [baseline]), *others]
    single = len(places) == 1
    table = _new_table("metric")
    limits = _limits(lines, places)
    for place in places:
        label = "value" if single else printable(report.runs[place].label)
        table.add_column(label, justify="right", no_wrap=True)
        if not layout.stacked:
            table.add_column("95% interval", justify="right", no_wrap=True, style="dim")
        if baseline is not None and place != baseline:
            table.add_column("change", justify="right", no_wrap=True)
            if not layout.stacked:
                table.add_column("95% interval", justify="right", no_wrap=True)
            table.add_column("%", justify="right", no_wrap=True)
            if layout.bars:
                table.add_column("", no_wrap=True)
        elif layout.bars and baseline is None:
            table.add_column("", no_wrap=True)
    if not layout.stacked:
        table.add_column("n", justify="right", no_wrap=True)
    for line in lines:
        table.add_row(*_cells(line, baseline, places, layout, limits))
    return table


def _cells(
    line: Line,
    baseline: int | None,
    places: Sequence[int],
    layout: _Layout,
    limits: dict[str, tuple[float, float]],
) -> list[Text]:
    from rich.text import Text

    row = line.row
    name = Text(f"  {printable(line.name)}" if line.is_group else printable(line.name))
    if row is None:
        return [name]
    values = [row.values[place] for place in places]
    counts = ", ".join(dict.fromkeys(coverage(value) for value in values if value is not None))
    limit, change_limit = limits[row.metric]
    if layout.stacked:
        name.append(f"\n{'    ' if line.is_group else '  '}n {counts}", style="dim")
    cells = [name]
    for place, value in zip(places, values, strict=True):
        cells += _value_cells(value, layout)
        if baseline is not None and place != baseline:
            cells += _change_cells(row.changes[place], layout, change_limit)
        elif layout.bars and baseline is None:
            cells.append(_bar_cell(value, limit))
    return cells if layout.stacked else [*cells, Text(counts)]


def _value_cells(value: Value | None, layout: _Layout) -> list[Text]:
    from rich.text import Text

    if value is None or value.value is None:
        return [Text("-")] if layout.stacked else [Text("-"), Text("")]
    if layout.stacked:
        compact = compact_interval(value.ci_low, value.ci_high)
        return [Text(f"{shown(value)}\n").append(compact, style="dim")]
    return [Text(shown(value)), Text(interval(value.ci_low, value.ci_high))]


def _change_cells(change: Change | None, layout: _Layout, limit: float) -> list[Text]:
    from rich.text import Text

    if change is None:
        return [Text("")] * (2 if layout.stacked else 4 if layout.bars else 3)
    style = "bold" if change.is_clear else "dim"
    moved = Text(f"{signed(change.absolute)} {mark(change) or ' '}", style=style)
    relative = Text(percent(change.percent), style=style)
    low, high = change.ci_low, change.ci_high
    if layout.stacked:
        below = compact_interval(low, high)
        return [moved.append(f"\n{below}", style="dim"), relative]
    cells = [moved, Text(interval(low, high), style="dim"), relative]
    if layout.bars:
        drawn = (
            ""
            if low is None or high is None
            else interval_bar(low, change.absolute, high, limit, _INTERVAL_BAR)
        )
        cells.append(Text(drawn, style=style))
    return cells


def _bar_cell(value: Value | None, limit: float) -> Text:
    from rich.text import Text

    if value is None or value.value is None:
        return Text("")
    return Text(bar(value.value, limit, _BAR), style="cyan")


def _limits(lines: Sequence[Line], places: Sequence[int]) -> dict[str, tuple[float, float]]:
    """Per metric: the largest value, and the end of a change's interval farthest from zero.

    They scale the bars of a metric. The first is 0 (no bars) if there is only one value.
    """
    values: dict[str, list[float]] = {}
    ends: dict[str, list[float]] = {}
    for line in lines:
        if line.row is None:
            continue
        of_metric = values.setdefault(line.row.metric, [])
        of_change = ends.setdefault(line.row.metric, [])
        for place in places:
            value, change = line.row.values[place], line.row.changes[place]
            if value is not None and value.value is not None:
                of_metric.append(value.value)
            if change is not None and change.ci_low is not None and change.ci_high is not None:
                of_change += [abs(change.ci_low), abs(change.ci_high), abs(change.absolute)]
    return {
        metric: (
            max(found) if len(found) > 1 and min(found) >= 0 else 0.0,
            max(ends[metric], default=0.0),
        )
        for metric, found in values.items()
    }


_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bar(value: float, limit: float, width: int) -> str:
    """A bar from zero; `limit` has the full width, and a negative value an empty bar.

    >>> bar(0.5, 1.0, 4), bar(0.3, 1.0, 4)
    ('██  ', '█▎  ')
    """
    if limit <= 0 or value <= 0:
        return " " * width
    whole, part = divmod(round(min(value / limit, 1.0) * width * 8), 8)
    return ("█" * whole + (_EIGHTHS[part] if part else "")).ljust(width)


def interval_bar(low: float, value: float, high: float, limit: float, width: int) -> str:
    """An interval and the value in it, on a line from -`limit` to `limit`; `│` is zero.

    >>> interval_bar(0.25, 0.5, 1.0, 1.0, 9), interval_bar(-0.5, 0.0, 0.5, 1.0, 9)
    ('    │━●━━', '  ━━●━━  ')
    """
    middle = width // 2

    def place(value: float) -> int:
        return middle if limit <= 0 else middle + round(max(-1.0, min(1.0, value / limit)) * middle)

    cells = [" "] * width
    cells[middle] = "│"
    for each in range(place(low), place(high) + 1):
        cells[each] = "┿" if each == middle else "━"
    if low > 0 or high < 0:
        cells[middle] = "│"
    cells[place(value)] = "●"
    return "".join(cells)
