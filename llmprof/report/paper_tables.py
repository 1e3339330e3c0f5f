"""Cells of tables for papers: numbers with consistent precision, and the best values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmprof.report.contents import Report, Row, Section
from llmprof.report.text import columns_of, coverage, lines_of
from llmprof.report.verdicts import BETTER, WORSE, direction, mark
from llmprof.safe_text import printable


@dataclass(frozen=True, slots=True)
class PaperRow:
    """A metric or group as texts, by run index; missing values have no entry."""

    row: Row | None
    name: str
    is_group: bool
    values: Mapping[int, str]
    intervals: Mapping[int, str]
    changes: Mapping[int, str]
    change_intervals: Mapping[int, str]
    marks: Mapping[int, str]


def rows_of(section: Section) -> list[PaperRow]:
    """The rows of a section, with the number of decimals determined by the intervals.

    A name holds the n of its values where it is not the one in the caption.
    """
    usual = _usual_counts(section)
    return [
        _paper_row(section, line.row, line.name, line.is_group, usual) for line in lines_of(section)
    ]


def _counts(row: Row) -> dict[int, str]:
    """The n of each value, by run index."""
    return {
        place: coverage(value).replace("/", " of ")
        for place, value in enumerate(row.values)
        if value is not None and value.value is not None
    }


def _usual_counts(section: Section) -> dict[int, str]:
    """The n that most metrics of a run have; of metrics with groups alone, that of most groups."""
    lines = lines_of(section)
    found: dict[int, Counter[str]] = {}
    for is_group in (False, True):
        for line in lines:
            if line.row is not None and line.is_group == is_group and (not is_group or not found):
                for place, count in _counts(line.row).items():
                    found.setdefault(place, Counter())[count] += 1
    return {place: counts.most_common(1)[0][0] for place, counts in found.items()}


def _paper_row(
    section: Section, row: Row | None, name: str, is_group: bool, usual: Mapping[int, str]
) -> PaperRow:
    if row is None:
        return PaperRow(None, name, is_group, {}, {}, {}, {}, {})
    label = name if is_group else section.presentation.label(name)
    arrow = "" if is_group or row.scale is None else f" {row.scale.arrow}"
    decimals = decimals_of(row)
    values, intervals, changes, ends, marks = {}, {}, {}, {}, {}
    for place, (value, change) in enumerate(zip(row.values, row.changes, strict=True)):
        if value is not None and value.value is not None:
            values[place] = numbers_of(value.value, decimals)
            if value.ci_low is not None and value.ci_high is not None:
                intervals[place] = _interval(value.ci_low, value.ci_high, decimals)
        if change is not None:
            changes[place] = numbers_of(change.absolute, decimals, sign=True)
            marks[place] = mark(change)
            if change.ci_low is not None and change.ci_high is not None:
                ends[place] = _interval(change.ci_low, change.ci_high, decimals)
    counts = _counts(row)
    if any(usual.get(place) != count for place, count in counts.items()):
        said = list(counts.values())
        arrow += f", n = {', '.join(said if len(set(said)) > 1 else said[:1])}"
    return PaperRow(row, f"{label}{arrow}", is_group, values, intervals, changes, ends, marks)


def decimals_of(row: Row) -> int:
    """Decimals that show two digits of the narrowest interval; three significant ones without."""
    widths = [
        value.ci_high - value.ci_low
        for value in row.values
        if value is not None and value.ci_low is not None and value.ci_high is not None
    ]
    sizes = [abs(value.value) for value in row.values if value is not None and value.value]
    smallest = min((width for width in widths if width > 0), default=0.0) or (
        max(sizes, default=1.0) / 10
    )
    return max(0, min(6, 1 - math.floor(math.log10(smallest))))


def numbers_of(value: float, decimals: int, *, sign: bool = False) -> str:
    """A number with these decimals.

    >>> numbers_of(-0.0001, 2), numbers_of(0.25, 1, sign=True)
    ('0.00', '+0.2')
    """
    rounded = round(value, decimals) + 0.0
    return f"{rounded:+.{decimals}f}" if sign and rounded else f"{rounded:.{decimals}f}"


def _interval(low: float, high: float, decimals: int) -> str:
    return f"{numbers_of(low, decimals)}, {numbers_of(high, decimals)}"


def best_of(row: Row | None, baseline: int | None) -> set[int]:
    """The runs that are clearly best: one better than the baseline, or the baseline.

    The baseline is best when every other run is clearly worse. Another run is best when it is
    clearly better than the baseline, and no other run is.
    """
    if row is None or row.scale is None or baseline is None:
        return set()
    base = row.values[baseline]
    verdicts = {}
    for place, (value, change) in enumerate(zip(row.values, row.changes, strict=True)):
        if place != baseline and value is not None and change is not None:
            clear = change.is_clear and direction(value, base, row.scale)
            verdicts[place] = clear or ""
    better = {place for place, each in verdicts.items() if each == BETTER}
    if verdicts and all(each == WORSE for each in verdicts.values()):
        return {baseline}
    return better if len(better) == 1 else set()


def caption_of(section: Section, report: Report) -> str:
    """The title of a section with the details that a paper needs."""
    labels = [report.runs[place].label for place in columns_of(section)]
    parts = [f"{section.title}, protocol {section.protocol_version}"]
    usual = _usual_counts(section)
    if usual:
        alike = len(set(usual.values())) == 1
        counts = [
            count if alike else f"{count} ({report.runs[place].label})"
            for place, count in sorted(usual.items())
        ]
        shown = ", ".join(counts[:1] if alike else counts)
        parts.append(f"n = {shown} where no other n is given")
    if section.scorer:
        parts.append(f"scorer {section.scorer}")
    if report.baseline is not None and report.runs[report.baseline].label in labels:
        parts.append(
            f"changes are from {report.runs[report.baseline].label}, marked where they are clear "
            "after Benjamini-Hochberg"
        )
    return "; ".join(parts) + "."


def left_out_of(report: Report) -> list[str]:
    """What was left out and the reason, each in a line: a name cannot end a comment."""
    said = [printable(f"Left out: {each.what}: {each.why}") for each in report.omissions]
    return [" ".join(each.split()) for each in said]


def heading_cells(report: Report, places: Sequence[int]) -> list[str]:
    """The headings of the columns of numbers: a run, and its change where it has one."""
    cells = []
    for place in places:
        cells.append(report.runs[place].label)
        if report.baseline is not None and place != report.baseline:
            cells.append("change")
    return cells
