"""Verdicts on changes, and their signs, for all formats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmprof.metrics.intervals import Interval, difference_interval, excludes_zero
from llmprof.metrics.multiple_testing import adjusted
from llmprof.profilers import Scale
from llmprof.report.contents import Change, Report, Section, Value
from llmprof.results.reader import MetricRow

BETTER, WORSE, UNCLEAR, DIFFERENT = "better", "worse", "no clear change", "different"
_CLEAR, _ALONE = ("▲", "▼"), ("△", "▽")


def verdict(value: Value, change: Change, base: Value | None, scale: Scale | None) -> str:
    """Whether a run is better than the baseline, worse, different, or not clearly changed.

    A change is clear when its interval excludes zero, also after the correction for the number of
    comparisons; it is only "different" for a metric without a direction, or if the ideal lies
    between the two values.
    """
    return direction(value, base, scale) if change.is_clear else UNCLEAR


def direction(value: Value, base: Value | None, scale: Scale | None) -> str:
    """The direction of a change from the baseline, clear or not."""
    if scale is None or base is None or value.value is None or base.value is None:
        return DIFFERENT
    if (value.value - scale.ideal) * (base.value - scale.ideal) < 0:
        return DIFFERENT
    return BETTER if scale.is_better(value.value, base.value) else WORSE


def are_apart(before: Value | MetricRow, after: Value | MetricRow) -> bool:
    """Whether the intervals of two numbers tell them apart, as if their items were others."""
    ends = []
    for each in (before, after):
        if each.value is None or each.ci_low is None or each.ci_high is None:
            return False
        ends.append((each.value, Interval(each.ci_low, each.ci_high, "")))
    found = difference_interval(ends[0], ends[1])
    return excludes_zero(found.low, found.high)


def mark(change: Change) -> str:
    """Up or down for a clear change; hollow if only its own interval excludes zero."""
    if not change.excludes_zero:
        return ""
    up, down = _CLEAR if change.is_clear else _ALONE
    return up if change.absolute > 0 else down


def legend(report: Report) -> str:
    """The legend of the signs."""
    count = sum(change.p_value is not None for change in changes_of(report.sections))
    return (
        "▲ rose, ▼ fell: the 95% interval of the change excludes zero, also after "
        f"Benjamini-Hochberg over the {count} changes of this report; △ ▽: only its own interval "
        "does"
    )


def changes_of(sections: Sequence[Section]) -> list[Change]:
    """Every change of every run."""
    return [
        change
        for section in sections
        for row in section.rows
        for change in row.changes
        if change is not None
    ]


def corrected(sections: Sequence[Section]) -> list[Section]:
    """The sections with adjusted p-values."""
    known = [change.p_value for change in changes_of(sections) if change.p_value is not None]
    found = iter(adjusted(known))

    def of(change: Change | None) -> Change | None:
        if change is None or change.p_value is None:
            return change
        return replace(change, adjusted_p_value=next(found))

    return [
        replace(
            section,
            rows=[replace(row, changes=list(map(of, row.changes))) for row in section.rows],
        )
        for section in sections
    ]
