"""Changes of metrics from the baseline, over the items that both runs have."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from llmprof.errors import UnknownNameError
from llmprof.metrics.differences import FEWEST_DIFFERING, Difference
from llmprof.metrics.effect_sizes import effect_size
from llmprof.metrics.intervals import bounds_of, defined_values, excludes_zero, is_negligible
from llmprof.metrics.measures import Mean, Measure, Single, difference
from llmprof.metrics.multiple_testing import p_value
from llmprof.metrics.samples import OVERALL, Scored
from llmprof.profilers import Comparable, GroupChart, Profiler
from llmprof.profilers.registry import stored_profiler
from llmprof.report.contents import Change, ReportedRun, Row, Section, Value
from llmprof.results import Store
from llmprof.results.reader import read_samples
from llmprof.results.row_types import fitting_samples

_NO_ITEMS = "the values of its items are not stored"
_TOLERANCE = 1e-9

Measures = Mapping[tuple[str, str], Measure]


def compare_with_baseline(
    store: Store, runs: Sequence[ReportedRun], baseline: int, section: Section
) -> Section:
    """The section with the changes of every run except the baseline."""
    present = [
        place
        for place in range(len(runs))
        if any(row.values[place] is not None for row in section.rows)
    ]
    if baseline not in present:
        return section
    before = measures_of(store, runs[baseline], section)
    section = _made_anew(section, baseline, before)
    changes: list[list[Change | None]] = [[None] * len(runs) for _ in section.rows]
    for place in present:
        if place == baseline:
            continue
        after = measures_of(store, runs[place], section)
        section = _made_anew(section, place, after)
        for row, found in zip(section.rows, changes, strict=True):
            change = _change(row, baseline, place, before, after)
            found[place] = change if _is_ratio(section, row) else _without_percent(change)
    rows = [replace(row, changes=found) for row, found in zip(section.rows, changes, strict=True)]
    return replace(section, rows=rows)


def _made_anew(section: Section, place: int, measures: Measures) -> Section:
    """The section with intervals of an older method recomputed with the present one."""

    def value_of(row: Row) -> Sequence[Value | None]:
        value, measure = row.values[place], measures.get((row.metric, row.group))
        if value is None or measure is None or not value.has_older_interval:
            return row.values
        if not _agrees(measure, value):
            return row.values
        values = list(row.values)
        values[place] = Value.of(measure.metric())
        return values

    return replace(section, rows=[replace(row, values=value_of(row)) for row in section.rows])


def measures_of(store: Store, run: ReportedRun, section: Section) -> Measures:
    """The known measures behind the run's metrics, by metric and group."""
    run = run.source(section.profiler, section.dataset)
    samples = read_samples(
        store, run.run_id, profiler=section.profiler, dataset=section.dataset, prompts=False
    )
    if not samples:
        return {}
    profiler = stored_profile(run, section.profiler)
    with fitting_samples(run.run_id, section.profiler):
        made = (
            profiler.measures(samples)
            if isinstance(profiler, Comparable)
            else _means(section, samples)
        )
        return {(measure.name, measure.group): measure for measure in made}


def _means(section: Section, samples: Sequence[Scored]) -> list[Measure]:
    """Means of scores that have the name of a metric, as in lm-eval's tasks."""
    units = [sample.sample_id for sample in samples]
    measures: list[Measure] = []
    for row in section.rows:
        if row.group == OVERALL:
            values = [sample.scores.get(row.metric) for sample in samples]
            bounds = bounds_of(defined_values(values))
            measures.append(Mean(row.metric, units, values, bounds=bounds, unit="documents"))
    return measures


def _change(
    row: Row, baseline: int, place: int, measures_before: Measures, measures_after: Measures
) -> Change | None:
    """The change of one metric; None if a run does not have it, or it is undefined."""
    old, new = row.values[baseline], row.values[place]
    if old is None or new is None or old.value is None or new.value is None:
        return None
    before = measures_before.get((row.metric, row.group))
    after = measures_after.get((row.metric, row.group))
    if before is None or after is None:
        return _without_interval(old.value, new.value, _NO_ITEMS)
    for measure, stored in ((before, old), (after, new)):
        if not _agrees(measure, stored):
            return _without_interval(old.value, new.value, _NO_ITEMS)
    found = difference(before, after)
    if isinstance(found, str):
        return _without_interval(old.value, new.value, found)
    if found.value is None:
        return _without_interval(old.value, new.value, "no item has a value in both runs")
    return Change(
        absolute=found.value,
        percent=_percent(found.value, old.value),
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        n=found.n,
        reason=_coverage(before, after, found),
        unit=found.unit,
        interval_method=found.method,
        differing=found.differing,
        p_value=_p_value(found),
        effect=effect_size(before, after),
    )


def _p_value(found: Difference) -> float | None:
    if found.value is None or found.ci_low is None or found.ci_high is None:
        return None
    degrees = found.n - 1 if found.degrees is None else found.degrees
    return p_value(found.value, found.ci_low, found.ci_high, degrees, found.differing)


def _is_ratio(section: Section, row: Row) -> bool:
    """Whether a change in percent is meaningful: not for p-values, nor for scores around zero."""
    p_values = {
        chart.p_value for chart in section.presentation.charts if isinstance(chart, GroupChart)
    }
    values = [each.value for each in row.values if each is not None and each.value is not None]
    around_zero = min(values, default=0.0) < 0 or (row.scale is not None and row.scale.low < 0)
    return not around_zero and row.metric not in p_values


def _without_percent(change: Change | None) -> Change | None:
    return None if change is None else replace(change, percent=None)


def _agrees(measure: Measure, stored: Value) -> bool:
    """Whether the stored value equals the one recomputed from its items."""
    value = measure.value
    if value is None or stored.value is None:
        return False
    return math.isclose(value, stored.value, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)


def _coverage(before: Measure, after: Measure, found: Difference) -> str | None:
    """A note about an interval, or the reason why there is none."""
    if found.ci_low is None:
        return found.reason
    said = []
    covered = [each.covered for each in (before, after) if not isinstance(each, Single)]
    if found.n != max(covered):
        said.append(f"over the {found.n} items that have a value in both runs")
    if excludes_zero(found.ci_low, found.ci_high) and found.differing < FEWEST_DIFFERING:
        said.append(f"not marked: {found.differing} {found.unit} differ, which can be chance")
    return "; ".join(said) or None


def _without_interval(before: float, after: float, reason: str) -> Change:
    change = 0.0 if is_negligible(after - before, after, before) else after - before
    return Change(change, _percent(change, before), None, None, 0, reason)


def _percent(absolute: float, before: float) -> float | None:
    return 100.0 * absolute / abs(before) if before else None


def stored_profile(run: ReportedRun, name: str) -> Profiler | None:
    """The profiler called `name`, with the options of the run.

    None if unknown: for a benchmark, or a profiler of a package that is not installed.
    """
    try:
        return stored_profiler(name, backend=run.backend, model=run.model, config=run.config)
    except UnknownNameError:
        return None


def difference_finder(
    store: Store, before: ReportedRun, after: ReportedRun, section: Section
) -> Callable[[str, str, float], Difference | str]:
    """A function that returns the change of a metric with an interval of any confidence.

    If there is none, it returns the reason, such as values of items that are not stored.
    """
    of_before = measures_of(store, before, section)
    of_after = measures_of(store, after, section)

    def find(metric: str, group: str, confidence: float) -> Difference | str:
        old, new = of_before.get((metric, group)), of_after.get((metric, group))
        if old is None or new is None:
            return _NO_ITEMS
        return difference(old, new, confidence)

    return find
