"""Power analysis: the number of items or samples a comparison needs, from the variances of two
runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from llmprof.errors import StoreError, UnknownNameError
from llmprof.metrics.differences import are_shared, by_cluster, paired
from llmprof.metrics.intervals import is_negligible, mean_value
from llmprof.metrics.measures import Mean
from llmprof.metrics.power import items_needed, smallest_change
from llmprof.metrics.samples import OVERALL
from llmprof.metrics.student import deviation
from llmprof.profilers import Comparable
from llmprof.report.changes import stored_profile
from llmprof.report.contents import Omission, ReportedRun, Section, concerning
from llmprof.report.filters import Filters, chosen
from llmprof.report.runs import choose_two_runs
from llmprof.results import Store
from llmprof.results.reader import SampleRow, read_samples
from llmprof.results.row_types import fitting_samples


@dataclass(frozen=True, slots=True)
class PowerPlan:
    """The items needed to detect a change of one metric, from `n` items that both runs have.

    `deviation` is the standard deviation of the items' differences; of items in clusters, the
    larger one of independent items with the same error. `smallest` is the change that `n` items
    detect with the requested power. `needed` items detect the requested change with the present
    number of samples per item, and `needed_more_samples` with twice as many; None if a profile has
    one sample per item or needs all of them, or if no number of items is enough. `omissions` are
    runs of the same models that these took the place of.
    """

    profiler: str
    dataset: str
    metric: str
    n: int
    deviation: float
    smallest: float | None
    needed: int | None
    samples: int
    needed_more_samples: int | None
    omissions: Sequence[Omission] = ()


def plan_power(
    db: Path, before: str, after: str, change: float, *, power: float = 0.8,
    filters: Filters | None = None,
) -> list[PowerPlan]:  # fmt: skip
    """A plan for each metric that is a mean over items of both runs.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name matches no run, or the runs share no usable metric.
    """
    from llmprof.report.build import make_sections

    with Store(db, read_only=True) as store:
        compared = choose_two_runs(store, before, after)
        sections, omissions = make_sections(store, compared.runs)
        left_out = (*compared.omissions, *omissions)
        plans = [
            replace(plan, omissions=concerning(left_out, plan.profiler, plan.dataset))
            for section in chosen(sections, filters or Filters())
            if section.has(0) and section.has(1)
            for plan in _section_plans(store, compared.runs, section, change, power)
        ]
    if not plans:
        raise UnknownNameError(
            f"{before} and {after} share no metric that is a mean over items, so no estimate is "
            f"possible"
        )
    return plans


def _section_plans(
    store: Store, runs: Sequence[ReportedRun], section: Section, change: float, power: float
) -> list[PowerPlan]:
    stored = [
        read_samples(
            store,
            run.source(section.profiler, section.dataset).run_id,
            profiler=section.profiler,
            dataset=section.dataset,
            prompts=False,
        )
        for run in runs
    ]
    samples = max((sample.sample_index + 1 for each in stored for sample in each), default=1)
    shown = {row.metric for row in section.rows if row.group == OVERALL}
    whole = _deviations(runs, section, stored)
    half = samples // 2
    halves = [[each for each in one if each.sample_index < half] for one in stored]
    fewer = {}
    if half:
        # A profile that needs all samples of an item has no number for half of them.
        with suppress(StoreError):
            fewer = _deviations(runs, section, halves)
    plans = []
    for metric, (n, spread) in whole.items():
        if metric not in shown:
            continue
        more = None
        if metric in fewer:
            more = items_needed(_with_twice(spread, fewer[metric][1], samples, half), change, power)
        plans.append(
            PowerPlan(
                section.profiler,
                section.dataset,
                metric,
                n,
                spread,
                smallest_change(spread, n, power),
                items_needed(spread, change, power),
                samples,
                more,
            )
        )
    return plans


def _deviations(
    runs: Sequence[ReportedRun], section: Section, stored: Sequence[Sequence[SampleRow]]
) -> dict[str, tuple[int, float]]:
    """By metric, the number of items of both and the deviation of their differences."""
    means = [_means(run, section, samples) for run, samples in zip(runs, stored, strict=True)]
    found = {}
    for metric, after in means[1].items():
        if metric not in means[0]:
            continue
        before = means[0][metric]
        pairs = paired(before.units, before.values, after.units, after.values)
        changes = {
            unit: (new - old) * after.scale
            for unit, (old, new) in pairs
            if old is not None and new is not None and math.isfinite(new - old)
        }
        if len(changes) > 1:
            found[metric] = len(changes), deviation_of_changes(changes, after)
    return found


def deviation_of_changes(changes: Mapping[str, float], measure: Mean) -> float:
    """The standard deviation of the items' changes.

    Of items in clusters it is that of as many independent items whose mean would vary as much: n
    times the variance of the mean over clusters (Kish 1965, the design effect).
    """
    values = list(changes.values())
    if is_negligible(max(values) - min(values), *values):
        return 0.0
    if measure.clusters is None or not are_shared(measure.clusters):
        return deviation(values)
    cluster = dict(zip(measure.units, measure.clusters, strict=True))
    mean = mean_value(values)
    sums = by_cluster([(each - mean,) for each in changes.values()], [cluster[u] for u in changes])
    if len(sums) < 2:
        return deviation(values)
    squares = math.fsum(total**2 for (total,) in sums) * len(sums) / (len(sums) - 1)
    return math.sqrt(squares / len(changes))


def _means(run: ReportedRun, section: Section, samples: Sequence[SampleRow]) -> dict[str, Mean]:
    profiler = stored_profile(run.source(section.profiler, section.dataset), section.profiler)
    if not isinstance(profiler, Comparable):
        return {}
    with fitting_samples(run.run_id, section.profiler):
        made = profiler.measures(samples)
        return {
            each.name: each for each in made if isinstance(each, Mean) and each.group == OVERALL
        }


def _with_twice(deviation: float, of_half: float, samples: int, half: int) -> float:
    """The deviation with twice the samples per item.

    The variance has a part between items and a part that decreases with the number of samples; two
    numbers of samples separate them.
    """
    falling = max(0.0, (of_half**2 - deviation**2) / (1 / half - 1 / samples))
    between = max(0.0, deviation**2 - falling / samples)
    return math.sqrt(between + falling / (2 * samples))
