"""What changed, in a few sentences, the largest change first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from llmprof.metrics.multiple_testing import standardized
from llmprof.report.contents import Change, Report, Row, Section
from llmprof.report.text import interval, number, signed
from llmprof.report.verdicts import BETTER, DIFFERENT, WORSE, direction

MOST = 5
# A limit per profile, so that one with many similar metrics does not fill all lines.
_PER_SECTION = 2
_WORDS = {BETTER: "better", WORSE: "worse", DIFFERENT: ""}


@dataclass(frozen=True, slots=True)
class _Moved:
    section: Section
    row: Row
    place: int
    change: Change

    @property
    def size(self) -> float:
        """The change in standard deviations of one item, by its interval."""
        low, high, n = self.change.ci_low, self.change.ci_high, self.change.n
        if low is None or high is None or n < 1:
            return 0.0
        return abs(standardized(self.change.absolute, low, high, n - 1)) / math.sqrt(n)

    @property
    def is_chosen(self) -> bool:
        """Whether its profile names it as a highlight."""
        return self.row.scale is not None or self.row.metric in self.section.presentation.highlights


def headlines(report: Report) -> list[str]:
    """Per run how many metrics changed, then the largest changes; nothing without a baseline."""
    if report.baseline is None:
        return []
    moved = list(_moved(report))
    if not moved:
        return []
    counts = [
        _count(report, place, [each.change for each in moved if each.place == place])
        for place in dict.fromkeys(each.place for each in moved)
    ]
    return [*(_sentence(report, each) for each in _largest(moved)), *counts]


def _moved(report: Report) -> Iterator[_Moved]:
    for section in report.sections:
        for row in section.rows:
            for place, change in enumerate(row.changes):
                tested = change is not None and change.p_value is not None
                if change is not None and tested and section.is_summary(row):
                    yield _Moved(section, row, place, change)


def _largest(moved: list[_Moved]) -> list[_Moved]:
    """The largest clear changes: first those that a profile names, few of each profile."""
    clear = sorted((each for each in moved if each.change.is_clear), key=lambda each: -each.size)
    taken: list[_Moved] = []
    for each in clear:
        alike = sum(other.section is each.section and other.place == each.place for other in taken)
        if each.is_chosen and alike < _PER_SECTION and len(taken) < MOST:
            taken.append(each)
    rest = [each for each in clear if each not in taken]
    taken += rest[: MOST - len(taken)]
    return sorted(taken, key=lambda each: -each.size)


def _sentence(report: Report, moved: _Moved) -> str:
    row, change, place = moved.row, moved.change, moved.place
    assert report.baseline is not None
    old, new = row.values[report.baseline], row.values[place]
    assert old is not None and new is not None
    whose = f"{report.runs[place].label}: " if _compared(report) > 1 else ""
    went = "rose" if change.absolute > 0 else "fell"
    ends = interval(change.ci_low, change.ci_high)
    meaning = _WORDS[direction(new, old, row.scale)]
    facts = [f"95%: {ends}", f"n = {change.n}", *([meaning] if meaning else [])]
    name = row.name[:1].upper() + row.name[1:]
    return (
        f"{whose}{name} ({moved.section.title}) {went}: {number(old.value)} → {number(new.value)}, "
        f"{signed(change.absolute)} ({'; '.join(facts)})"
    )


def _compared(report: Report) -> int:
    """How many runs have changes."""
    rows = [row for section in report.sections for row in section.rows]
    places = range(len(report.runs))
    return sum(any(row.changes[place] is not None for row in rows) for place in places)


def _count(report: Report, place: int, changes: list[Change]) -> str:
    assert report.baseline is not None
    clear = sum(change.is_clear for change in changes)
    alone = sum(change.excludes_zero for change in changes)
    before = f" ({alone} before)" if alone != clear else ""
    return (
        f"{report.runs[place].label}: {clear} of {len(changes)} metrics changed from "
        f"{report.runs[report.baseline].label} after Benjamini-Hochberg{before}"
    )
