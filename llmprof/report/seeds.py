"""Combines runs that differ only in their seed into one column: mean, spread and interval over
seeds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from llmprof.metrics.intervals import TOLERANCE, Bounds, holding, mean_value
from llmprof.metrics.measures import metric_bounds
from llmprof.metrics.multiple_testing import p_value
from llmprof.metrics.student import deviation, student_interval, welch_interval
from llmprof.report.changes import measures_of
from llmprof.report.contents import Change, Fit, ReportedRun, Row, Section, Value
from llmprof.report.labels import label_runs
from llmprof.results import Store
from llmprof.results.reader import read_run

# Columns of a model: its latest seed, each seed, or all seeds together.
LATEST, EACH, TOGETHER = "latest", "each", "together"
_UNIT = "seeds"
_ONE_SEED = "one of the two has a value of one seed only"

Groups = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a report, with remarks; `baseline` is an index into `runs`."""

    runs: Sequence[ReportedRun]
    sections: Sequence[Section]
    baseline: int | None
    remarks: Sequence[str] = ()


def seeds_together(store: Store, columns: Columns) -> Columns:
    """One column for all runs of a model that differ only in their seed.

    A value that depends on the seed becomes the mean over seeds, with their standard deviation and
    Student's interval of the mean, within the metric's bounds; its change is that of the means,
    with Welch's interval. A value that is the same for every seed keeps its interval and change.
    """
    runs, baseline = columns.runs, columns.baseline
    groups = _groups(runs)
    merged = [runs[group[0]] for group in groups]
    rows = [replace(read_run(store, run.run_id), seed=0) for run in merged]
    rows = [
        row if len(group) == 1 else replace(row, name=None)
        for row, group in zip(rows, groups, strict=True)
    ]
    labels = label_runs(rows)
    merged = [replace(run, label=label) for run, label in zip(merged, labels, strict=True)]
    place = None if baseline is None else _place(groups, baseline)
    return Columns(
        merged,
        [
            _section(section, groups, place, _bounds(store, runs, section, groups))
            for section in columns.sections
        ],
        place,
        [
            _remark(label, [runs[each] for each in group])
            for label, group in zip(labels, groups, strict=True)
        ],
    )


def _groups(runs: Sequence[ReportedRun]) -> list[list[int]]:
    """The indices of runs that differ only in their seed, in the order of the first of each."""
    found: dict[str, list[int]] = {}
    for place, run in enumerate(runs):
        options = {**run.config.get("options", {}), "seed": None}
        config = {**run.config, "options": options}
        way = json.dumps([run.command, run.model, run.backend, config], sort_keys=True)
        found.setdefault(way, []).append(place)
    return list(found.values())


def _place(groups: Groups, run: int) -> int:
    return next(place for place, group in enumerate(groups) if run in group)


def _remark(label: str, runs: Sequence[ReportedRun]) -> str:
    if len(runs) == 1:
        return f"{label} has one seed here ({runs[0].seed}), so nothing is known of its spread"
    seeds = ", ".join(str(run.seed) for run in runs)
    return (
        f"{label} is the mean of {len(runs)} runs with the seeds {seeds}; ± is the standard "
        f"deviation over them. Texts, and charts of single items, are of run {runs[0].run_id}"
    )


# The bounds of a metric, by its name and group, where they are known.
_Ranges = Mapping[tuple[str, str], Bounds | None]


def _bounds(store: Store, runs: Sequence[ReportedRun], section: Section, groups: Groups) -> _Ranges:
    several = (place for group in groups if len(group) > 1 for place in group)
    place = next((each for each in several if any(row.values[each] for row in section.rows)), None)
    known = {} if place is None else measures_of(store, runs[place], section)
    return {name: metric_bounds(measure) for name, measure in known.items()}


def _section(section: Section, groups: Groups, baseline: int | None, ranges: _Ranges) -> Section:
    return replace(
        section,
        rows=[_row(row, groups, baseline, ranges) for row in section.rows],
        fits=[_fit([section.fits[place] for place in group]) for group in groups],
    )


def _fit(fits: Sequence[Fit | None]) -> Fit | None:
    """The requests of all seeds together."""
    known = [fit for fit in fits if fit is not None]
    if not known:
        return None
    return Fit(
        sum(fit.requests for fit in known),
        sum(fit.prompts_cut for fit in known),
        sum(fit.answers_shortened for fit in known),
        sum(fit.thinking_tokens for fit in known),
    )


def _row(row: Row, groups: Groups, baseline: int | None, ranges: _Ranges) -> Row:
    of_groups = [[row.values[place] for place in group] for group in groups]
    changes: list[Change | None] = [None] * len(groups)
    for place, group in enumerate(groups):
        if baseline is not None and place != baseline:
            before, after = _numbers(of_groups[baseline]), _numbers(of_groups[place])
            # If the values of all seeds are equal, the interval over items is more informative.
            change = row.changes[group[0]] if group else None
            if _vary(before) or _vary(after):
                change = _change(before, after, _has_percent(change))
            changes[place] = change
    bounds = ranges.get((row.metric, row.group))
    return replace(row, values=[_value(each, bounds) for each in of_groups], changes=changes)


def _has_percent(change: Change | None) -> bool:
    """Whether a change in percent means something for this metric."""
    return change is not None and change.percent is not None


def _numbers(values: Sequence[Value | None]) -> list[float]:
    return [each.value for each in values if each is not None and each.value is not None]


def _vary(numbers: Sequence[float]) -> bool:
    return bool(numbers) and any(
        not math.isclose(each, numbers[0], rel_tol=TOLERANCE, abs_tol=TOLERANCE) for each in numbers
    )


def _value(values: Sequence[Value | None], bounds: Bounds | None) -> Value | None:
    """The values of all seeds as one."""
    known = [value for value in values if value is not None]
    numbers = _numbers(known)
    if len(values) == 1 or not numbers:
        return known[0] if known else None
    first = next(value for value in known if value.value is not None)
    if len(numbers) == 1:
        return replace(first, reason=f"a value of one of {len(values)} seeds only")
    if not _vary(numbers):
        return replace(first, spread=0.0, seeds=len(numbers))
    interval = student_interval(numbers)
    low, high = holding(bounds, min(numbers), max(numbers))
    return Value(
        mean_value(numbers),
        max(low, interval.low),
        min(high, interval.high),
        len(numbers),
        len(values),
        first.reason,
        _UNIT,
        interval.method,
        spread=deviation(numbers),
        seeds=len(numbers),
    )


def _change(before: Sequence[float], after: Sequence[float], with_percent: bool) -> Change | None:
    """The difference of the means, with an interval over seeds."""
    if not before or not after:
        return None
    old = mean_value(before)
    absolute = mean_value(after) - old
    percent = 100.0 * absolute / abs(old) if with_percent and old else None
    n = len(before) + len(after)
    if min(len(before), len(after)) < 2:
        return Change(absolute, percent, None, None, n, _ONE_SEED, _UNIT)
    interval = welch_interval(before, after)
    return Change(
        absolute,
        percent,
        interval.low,
        interval.high,
        n,
        unit=_UNIT,
        interval_method=interval.method,
        p_value=p_value(absolute, interval.low, interval.high, interval.degrees or n - 2),
    )
