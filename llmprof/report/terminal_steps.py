"""A training on the terminal: one line per metric, from the first step to the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmprof.report.contents import Report, Row, Section
from llmprof.report.text import columns_of, coverage, interval, number, signed
from llmprof.report.verdicts import mark
from llmprof.safe_text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_SPARKS = "▁▂▃▄▅▆▇█"


def print_course(section: Section, report: Report, console: Console) -> None:
    """Print the metrics of a section over steps: a sparkline, the first and last value, and the
    change."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    places = columns_of(section)
    first, last = places[0], places[-1]
    # Rich would read markup in a plain title.
    title = Text(printable(f"{section.profiler} on {section.dataset} ({section.protocol_version})"))
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    table.add_column("metric", overflow="fold")
    table.add_column("course", no_wrap=True, style="cyan")
    heads = [report.runs[first].label, report.runs[last].label, "change", "95% interval", "n"]
    for name in heads:
        table.add_column(name, justify="right", no_wrap=True)
    for row in section.rows:
        if section.is_summary(row):
            _add(table, row, places)
    console.print(table, markup=False)


def _add(table: Table, row: Row, places: list[int]) -> None:
    values = [row.values[place] for place in places]
    shown = [None if value is None else value.value for value in values]
    if all(value is None for value in shown):
        return
    old, new = values[0], values[-1]
    change = row.changes[places[-1]]
    cells = [
        row.metric if row.group == "overall" else f"{row.metric}, {row.group}",
        sparkline(shown),
        "-" if old is None or old.value is None else number(old.value),
        "-" if new is None or new.value is None else number(new.value),
        "" if change is None else f"{signed(change.absolute)} {mark(change) or ' '}",
        "" if change is None else interval(change.ci_low, change.ci_high),
        "" if new is None else coverage(new),
    ]
    table.add_row(*map(printable, cells))


def sparkline(values: Sequence[float | None]) -> str:
    """Values as bars from the smallest to the largest; a dot where there is none.

    >>> sparkline([0.0, 0.5, None, 1.0]), sparkline([2.0, 2.0])
    ('▁▄·█', '▄▄')
    """
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    marks = []
    for value in values:
        if value is None:
            marks.append("·")
        elif high == low:
            marks.append("▄")
        else:
            place = int((value - low) / (high - low) * (len(_SPARKS) - 1))
            marks.append(_SPARKS[place])
    return "".join(marks)
