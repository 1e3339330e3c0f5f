"""Computes the findings of an experiment from its runs: changes, shares, controls, side effects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from llmprof.errors import LlmprofError
from llmprof.jobs.inherit.experiment import RANDOM, REFERENCE, Arm, InheritJob
from llmprof.jobs.inherit.phases import Runs
from llmprof.jobs.inherit.stored import save
from llmprof.jobs.select.choose import choose
from llmprof.jobs.select.criteria import score_bounds
from llmprof.jobs.training.lessons import read_turns
from llmprof.metrics.inheritance import (
    Effect,
    Items,
    crossed_change,
    holm,
    inherited_share,
    items_of,
    range_of,
)
from llmprof.metrics.intervals import Bounds, mean_interval
from llmprof.metrics.measures import Mean, Measure
from llmprof.metrics.samples import Sample
from llmprof.profilers import Comparable, presentation_of
from llmprof.profilers.answered import TEXTS_VERSION, metric_of_score
from llmprof.profilers.registry import stored_profiler
from llmprof.report.inheritance import (
    ArmFacts,
    CurvePoint,
    Finding,
    Inheritance,
    write_documents,
)
from llmprof.results import Store
from llmprof.results.reader import read_datasets, read_metrics, read_run, read_samples
from llmprof.results.row_types import fitting_samples

CURVE = (1, 2, 5, 10)

# A metric within a run: profile, data set, metric, group.
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Measured:
    """The metrics of one run, with the version of each profile's protocol."""

    measures: Mapping[Key, Measure]
    versions: Mapping[tuple[str, str], str]


def report_inheritance(job: InheritJob, runs: Runs) -> tuple[Inheritance, list[Path]]:
    """Store the findings, and write them to the folder's reports in every format.

    Raises:
        StoreError: the database cannot be read or written.
        OutputError: a file cannot be written.
    """
    found = outcome(job, runs)
    save(job, found)
    return found, write_documents(found, job.output)


def outcome(job: InheritJob, runs: Runs) -> Inheritance:
    """Read the measurements of the runs.

    Raises:
        StoreError: the database cannot be read.
    """
    with Store(job.db, read_only=True) as store:
        before = _measured(store, runs.base, runs.base_tasks)
        after = {
            arm: {
                seed: _measured(store, run_id, runs.student_tasks.get(arm, {}).get(seed))
                for seed, run_id in of_seed.items()
            }
            for arm, of_seed in runs.students.items()
        }
        files = {name: _measured(store, run_id) for name, run_id in runs.files.items()}
        findings = [
            finding for arm in job.arms for finding in _findings(job, arm, before, after, files)
        ]
        curve = [point for arm in job.arms for point in _curve(store, arm, runs)]
        base = read_run(store, runs.base)
        selection = next(iter(runs.selections.values()))
        dataset = read_datasets(store, selection)[0]
        wrote = read_run(store, selection).model
    facts = [_facts(job, arm) for arm in job.arms]
    return Inheritance(
        student=base.model,
        teachers=[each or base.model for each in job.teachers] or [wrote],
        prompts=dataset.dataset,
        n_prompts=dataset.n_items,
        k=job.options.k,
        seeds=job.seeds,
        recipe=job.recipe.values(),
        arms=facts,
        findings=_corrected(findings),
        curve=curve,
        runs=_named(runs),
        versions=base.versions,
    )


def _measured(store: Store, run_id: str, tasks: str | None = None) -> _Measured:
    """The metrics of a run and, item by item, those of the same model's benchmarks."""
    run = read_run(store, run_id)
    measures: dict[Key, Measure] = {} if tasks is None else _of_tasks(store, tasks)
    versions: dict[tuple[str, str], str] = {}
    for row in read_datasets(store, run_id):
        try:
            profiler = stored_profiler(
                row.profiler, backend=run.backend, model=run.model, config=run.config
            )
        except LlmprofError:
            continue
        if not isinstance(profiler, Comparable):
            continue
        samples = read_samples(
            store, run_id, profiler=row.profiler, dataset=row.dataset, prompts=False
        )
        versions[row.profiler, row.dataset] = str(row.protocol_version)
        with fitting_samples(run_id, row.profiler):
            for measure in profiler.measures(samples):
                measures[row.profiler, row.dataset, measure.name, measure.group] = measure
    return _Measured(measures, versions)


def _of_tasks(store: Store, run_id: str) -> dict[Key, Measure]:
    """The metrics of tasks that are means over documents; others are not known item by item."""
    found: dict[Key, Measure] = {}
    for row in read_metrics(store, run_id):
        samples = read_samples(
            store, run_id, profiler=row.profiler, dataset=row.dataset, prompts=False
        )
        values = [sample.scores.get(row.metric) for sample in samples]
        measure = Mean(row.metric, [sample.sample_id for sample in samples], values)
        value = measure.value
        if value is not None and row.value is not None and math.isclose(value, row.value):
            found[row.profiler, row.dataset, row.metric, row.group] = measure
    return found


def _findings(
    job: InheritJob,
    arm: Arm,
    before: _Measured,
    after: Mapping[str, Mapping[int, _Measured]],
    files: Mapping[str, _Measured],
) -> Iterator[Finding]:
    """Every metric that the student has before and after training."""
    control = _control(job, arm)
    for key, measure in before.measures.items():
        first = items_of(measure)
        students = [
            items_of(each.measures[key])
            for each in after[arm.name].values()
            if key in each.measures
        ]
        if measure.value is None or not first or len(students) < len(job.seeds):
            continue
        largest = range_of(measure)
        change = crossed_change([first], students, largest)
        of_data = _of_data(key, before, files.get(arm.name), files.get(REFERENCE))
        against = None
        if control is not None and control.name != arm.name:
            others = [
                items_of(each.measures[key])
                for each in after[control.name].values()
                if key in each.measures
            ]
            against = crossed_change(others, students, largest)
        wanted = _wanted(arm, key)
        yield Finding(
            arm.name,
            *key,
            label=presentation_of(key[0]).label(key[2]),
            before=measure.value,
            change=change,
            of_data=of_data,
            share=inherited_share(change, of_data),
            against_random=against,
            is_target=wanted != 0,
            wanted=wanted,
        )


def _wanted(arm: Arm, key: Key) -> int:
    """The direction in which the arm's data were selected by this metric: 1 up, -1 down, 0 not at
    all."""
    named = (key[2].partition(":")[0], key[3])
    found = (aim.sign for aim in arm.target if metric_of_score(aim.metric) == named)
    return next(found, 0)


def _control(job: InheritJob, arm: Arm) -> Arm | None:
    """The random control arm with the same source."""
    same = (each for each in job.arms if each.kind == RANDOM and each.source == arm.source)
    return next(same, None)


def _of_data(
    key: Key, before: _Measured, data: _Measured | None, reference: _Measured | None
) -> Effect:
    """The difference between the data and the student's own completions of the same prompts."""
    profiler, dataset, name, group = key
    if data is None or reference is None:
        return Effect(None, reason="the profile does not support data files")
    if (profiler, dataset) not in before.versions:
        return Effect(None, reason="data do no benchmarks")
    version = TEXTS_VERSION + before.versions[profiler, dataset]
    found: list[Items] = []
    largest = None
    for each in (reference, data):
        place = next((where for where in each.versions if where[0] == profiler), None)
        measure = None if place is None else each.measures.get((*place, name, group))
        if place is None or measure is None or each.versions[place] != version:
            return Effect(None, reason="the profile measures data and models differently")
        found.append(_by_prompt(items_of(measure)))
        largest = range_of(measure)
    return crossed_change(found[:1], found[1:], largest)


def _by_prompt(items: Items) -> Items:
    """The mean over the completions of each prompt; the ids of later ones are `ID#2` and so on."""
    grouped: dict[str, list[float]] = {}
    for name, value in items.items():
        grouped.setdefault(name.partition("#")[0], []).append(value)
    return {name: sum(values) / len(values) for name, values in grouped.items()}


def _curve(store: Store, arm: Arm, runs: Runs) -> Iterator[CurvePoint]:
    """The target's mean if only the first completions of each prompt were available."""
    if not arm.target:
        return
    metric = arm.target[0].metric
    pools: dict[str, list[Sample]] = {}
    for row in read_samples(store, runs.selections[arm.name], prompts=False):
        sample = Sample(row.sample_id, "", row.response, row.scores, row.group, row.sample_index)
        pools.setdefault(row.sample_id, []).append(sample)
    largest = arm.select.drawing.k
    for k in sorted({each for each in (*CURVE, largest) if each <= largest}):
        first = [[each for each in pool if each.sample_index < k] for pool in pools.values()]
        chosen = choose(first, arm.select.choice)
        values = [each.kept.scores[metric] for each in chosen if each is not None]
        known = [float(value) for value in values if value is not None]
        yield CurvePoint(arm.name, k, _mean(known, score_bounds(metric)))


def _mean(values: Sequence[float], bounds: Bounds | None) -> Effect:
    if not values:
        return Effect(None, reason="nothing is kept")
    value, n = fmean(values), len(values)
    found = mean_interval(values, bounds=bounds)
    if found is None:
        return Effect(value, n=n, reason="one completion is kept")
    return Effect(value, found.low, found.high, n=n, method=found.method)


def _corrected(findings: Sequence[Finding]) -> list[Finding]:
    """The findings, with the p-values of side effects corrected for their number (Holm)."""
    tested = [
        each.against_random.p if each.against_random and not each.is_target else None
        for each in findings
    ]
    return [
        each
        if value is None or each.against_random is None
        else replace(each, against_random=replace(each.against_random, p_corrected=value))
        for each, value in zip(findings, holm(tested), strict=True)
    ]


def _facts(job: InheritJob, arm: Arm) -> ArmFacts:
    turns = tuple(read_turns(arm.file))
    students = {seed: str(job.student.folder_of(job.lesson(arm, seed))) for seed in job.seeds}
    return ArmFacts(
        arm.name,
        arm.source,
        "+".join(aim.text for aim in arm.target),
        str(arm.file),
        len(turns),
        students,
    )


def _named(runs: Runs) -> dict[str, str]:
    """The id of each run, by its description."""
    named = {"student before": runs.base}
    named |= {f"teacher {name}": run_id for name, run_id in runs.teachers.items()}
    named |= {f"selection {name}": run_id for name, run_id in runs.selections.items()}
    named |= {f"data {name}": run_id for name, run_id in runs.files.items()}
    for name, of_seed in runs.students.items():
        named |= {f"student of {name}, seed {seed}": each for seed, each in of_seed.items()}
    if runs.base_tasks is not None:
        named["benchmarks before"] = runs.base_tasks
    for name, of_seed in runs.student_tasks.items():
        named |= {f"benchmarks of {name}, seed {seed}": each for seed, each in of_seed.items()}
    return named
