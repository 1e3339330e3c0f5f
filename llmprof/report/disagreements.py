"""Changes on which the scorers of a run disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmprof.report.contents import Change, Report, Row, Section
from llmprof.report.text import number

# The mark of an estimate by a bridge, which follows its scorer, and of a pair of scorers.
NOT_A_SCORER = ("~", "&")


def disagreements(report: Report) -> list[str]:
    """One sentence for each metric, group and run whose change depends on the scorer.

    Two scorers disagree if the 95% interval of one excludes zero and that of the other does not, or
    lies on the other side.
    """
    return [
        sentence
        for section in report.sections
        if section.scorer is not None
        for rows in _by_quantity(section).values()
        for place in range(len(report.runs))
        for sentence in _told(section, rows, place, report)
    ]


def _by_quantity(section: Section) -> dict[tuple[str, str], dict[str, Row]]:
    """The rows of metrics with several scorers, by scorer name."""
    found: dict[tuple[str, str], dict[str, Row]] = {}
    for row in section.rows:
        stem, colon, scorer = row.metric.partition(":")
        if colon and not any(mark in scorer for mark in NOT_A_SCORER):
            found.setdefault((stem, row.group), {})[scorer] = row
    return {quantity: rows for quantity, rows in found.items() if len(rows) > 1}


def _told(section: Section, rows: Mapping[str, Row], place: int, report: Report) -> Iterator[str]:
    changes = {
        scorer: change
        for scorer, row in rows.items()
        if (change := row.changes[place]) is not None and change.ci_low is not None
    }
    if len({_direction(change) for change in changes.values()}) < 2:
        return
    row = next(iter(rows.values()))
    name = section.presentation.stem(row.metric).replace("_", " ")
    group = "" if row is not None and row.name == row.label else f", {row.group}"
    said = "; ".join(f"{scorer} {_shown(change)}" for scorer, change in changes.items())
    yield f"the scorers disagree about {name}{group} of {report.runs[place].label}: {said}"


def _direction(change: Change) -> int:
    """1 for a rise, -1 for a fall, 0 if the interval includes zero."""
    if not change.excludes_zero:
        return 0
    return 1 if change.absolute > 0 else -1


def _shown(change: Change) -> str:
    signs: Sequence[str] = ("no clear change", "rises", "falls")
    ends = f"[{number(change.ci_low)}, {number(change.ci_high)}]"
    return f"{signs[_direction(change)]}, {number(change.absolute)} {ends}"
