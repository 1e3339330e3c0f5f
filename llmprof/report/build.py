"""Build a report: choose runs, align comparable results, and compare with the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.errors import UsageError
from llmprof.profilers import Comparable, Presentation, Scale, presentation_of
from llmprof.report.changes import compare_with_baseline, stored_profile
from llmprof.report.contents import Fit, Omission, Report, ReportedRun, Row, Section, Value
from llmprof.report.disagreements import disagreements
from llmprof.report.filters import Filters, changed
from llmprof.report.filters import chosen as keep
from llmprof.report.headlines import headlines
from llmprof.report.languages import language_comparisons
from llmprof.report.provenance_remarks import provenance_remarks, sizes_of
from llmprof.report.runs import choose_runs, choose_series
from llmprof.report.seeds import LATEST, TOGETHER, Columns, seeds_together
from llmprof.report.verdicts import corrected
from llmprof.requests import Toxicity
from llmprof.results import COMPLETE, Store
from llmprof.results.reader import DatasetRow, read_datasets, read_metrics


def build_report(
    db: Path,
    wanted: Sequence[str],
    baseline: str | None,
    filters: Filters | None = None,
    *,
    series: str | None = None,
    seeds: str = LATEST,
) -> Report:
    """The report on the runs that `wanted` names, compared with `baseline` if there is one.

    `wanted` contains run ids, their beginnings, or models; if empty, the latest run is used. See
    `choose_runs`. The baseline is the report's first run. Of a `series`, the runs are its steps,
    compared with the first. `seeds` says what a model stands for: its latest seed, each of them, or
    all together in one column.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name matches no run, or several if one is needed; or a filter matches
            nothing.
        UsageError: only changes are asked for, and there is nothing to compare with.
    """
    if filters is not None and filters.changed and baseline is None and series is None:
        raise UsageError("--changed needs a run to compare with; add --baseline RUN")
    with Store(db, read_only=True) as store:
        steps: Sequence[int] = ()
        if series is None:
            chosen = choose_runs(store, wanted, baseline, seeds=seeds)
        else:
            chosen, steps = choose_series(store, series)
        sections, omissions = make_sections(store, chosen.runs)
        if filters is not None:
            sections = keep(sections, filters)
        if chosen.baseline is not None:
            sections = [
                compare_with_baseline(store, chosen.runs, chosen.baseline, section)
                for section in sections
            ]
        columns = Columns(chosen.runs, sections, chosen.baseline)
        languages = language_comparisons(store, chosen.runs, sections)
        if seeds == TOGETHER:
            columns = seeds_together(store, columns)
    sections = corrected(columns.sections)
    report = Report(
        runs=columns.runs,
        sections=sections,
        baseline=columns.baseline,
        omissions=[*chosen.omissions, *map(_unfinished, _incomplete(chosen.runs)), *omissions],
        series=series,
        steps=steps,
    )
    remarks = [*columns.remarks, *provenance_remarks(report, wanted), *disagreements(report)]
    remarks += languages
    report = replace(report, remarks=remarks, headlines=headlines(report))
    if filters is not None and filters.changed:
        report = replace(report, sections=changed(sections))
    return report


def _incomplete(runs: Sequence[ReportedRun]) -> list[ReportedRun]:
    return [run for run in runs if run.status != COMPLETE]


def _unfinished(run: ReportedRun) -> Omission:
    reason = f" ({run.error})" if run.error else ""
    return Omission(
        what=f"the rest of {run.label}, run {run.run_id}",
        why=f"it is {run.status}, not complete{reason}: run the same command to resume",
    )


@dataclass(frozen=True, slots=True)
class _Result:
    """The result of one run (by its index) on one data set; `way` is everything that must agree.

    Results with equal ways are comparable. The names in `way` are shown to the user.
    """

    run: int
    row: DatasetRow
    scorer: str | None
    way: Mapping[str, Any]


def make_sections(
    store: Store, runs: Sequence[ReportedRun]
) -> tuple[list[Section], list[Omission]]:
    """One section per profiler and data set, without changes.

    Results that are not comparable with those of the section's first run are left out, and the
    omission says what differs.
    """
    by_subject: dict[tuple[str, str], list[_Result]] = {}
    for place, run in enumerate(runs):
        for result in _results(store, place, run):
            by_subject.setdefault((result.row.profiler, result.row.dataset), []).append(result)
    sections: list[Section] = []
    omissions: list[Omission] = []
    for first, *others in by_subject.values():
        alike = [each for each in others if each.way == first.way]
        sections.append(_section(store, runs, [first, *alike]))
        for other in others:
            if other.way != first.way:
                omissions.append(_omission(other, first, runs))
    return sections, omissions


def _results(store: Store, place: int, run: ReportedRun) -> list[_Result]:
    results = []
    for row in _datasets(store, run):
        source = run.source(row.profiler, row.dataset)
        scorer = _scorer(source, row.profiler)
        way = {
            "protocol version": row.protocol_version,
            "demonstration data": row.demonstration,
            "data (SHA-256)": row.sha256[:12],
            **({} if scorer is None else {"scorer": scorer}),
            **_settings(source, row.profiler),
        }
        name = None if scorer is None else _scorer_name(scorer)
        results.append(_Result(place, row, name, way))
    return results


def _datasets(store: Store, run: ReportedRun) -> list[DatasetRow]:
    """The results of a column: those of its run, except those replaced by another run's."""
    rows = [
        row
        for row in read_datasets(store, run.run_id)
        if run.source(row.profiler, row.dataset) is run
    ]
    for each in run.sources:
        rows += [
            row
            for row in read_datasets(store, each.run.run_id, profiler=each.profiler)
            if row.dataset == each.dataset
        ]
    return rows


def _scorer(run: ReportedRun, profiler: str) -> Mapping[str, Any] | None:
    """Name and identity of the scorer, for a profile with toxicity requests.

    In a run without a separate scorer, the backend is the scorer.
    """
    asking = stored_profile(run, profiler)
    if asking is None or Toxicity not in asking.needs:
        return None
    own = {"name": run.backend, "identity": run.config.get("identity", {})}
    scorer: Mapping[str, Any] = run.config.get("scorer", own)
    # A bridge adds numbers and does not change those of the scorer.
    return {"name": scorer["name"], "identity": scorer.get("identity", {})}


def _scorer_name(scorer: Mapping[str, Any]) -> str:
    return str(scorer["name"])


def _settings(run: ReportedRun, name: str) -> Mapping[str, Any]:
    """The settings of this profiler; all options and the seed if it declares none."""
    profiler = stored_profile(run, name)
    options = {"seed": run.seed, **run.config.get("options", {})}
    if not isinstance(profiler, Comparable):
        # Depending on the version, an option that was not given is stored as None or not at all.
        return {name: value for name, value in options.items() if value is not None}
    # Results with different seeds are comparable.
    followed = sorted(profiler.settings - {"seed"})
    return {option: options.get(option) for option in followed}


def _section(store: Store, runs: Sequence[ReportedRun], results: Sequence[_Result]) -> Section:
    """The metrics of the runs side by side: those of the first run in its order, then the
    others."""
    found: dict[tuple[str, str], list[Value | None]] = {}
    for result in results:
        row = result.row
        for metric in read_metrics(store, row.run_id, profiler=row.profiler, dataset=row.dataset):
            values = found.setdefault((metric.metric, metric.group), [None] * len(runs))
            values[result.run] = Value.of(metric)
    fits: list[Fit | None] = [None] * len(runs)
    for result in results:
        fits[result.run] = _fit(result.row)
    first = results[0]
    nothing = [None] * len(runs)
    presentation = presentation_of(first.row.profiler)
    source = runs[first.run].source(first.row.profiler, first.row.dataset)
    stored = source.config.get("higher_is_better", {})
    higher_is_better = stored.get(first.row.dataset, {})
    return Section(
        profiler=first.row.profiler,
        protocol_version=str(first.row.protocol_version),
        dataset=first.row.dataset,
        source=first.row.source,
        sha256=first.row.sha256,
        demonstration=first.row.demonstration,
        scorer=first.scorer,
        rows=[
            Row(
                metric,
                group,
                values,
                nothing,
                label=presentation.label(metric),
                scale=_scale(presentation, metric, higher_is_better),
            )
            for (metric, group), values in found.items()
        ],
        presentation=presentation,
        size=sizes_of(
            store,
            [runs[each.run] for each in results],
            first.row.profiler,
            first.row.dataset,
        ),
        fits=fits,
    )


def _fit(row: DatasetRow) -> Fit | None:
    if row.n_requests is None or row.n_truncated is None:
        return None
    return Fit(row.n_requests, row.n_truncated, row.n_shortened or 0, row.n_thinking_tokens or 0)


def _scale(
    presentation: Presentation, metric: str, higher_is_better: Mapping[str, bool | None]
) -> Scale | None:
    """The scale of a metric, with the direction stored in the run, if there is one."""
    scale, stem = presentation.scale(metric), presentation.stem(metric)
    if stem not in higher_is_better:
        return scale
    direction = higher_is_better[stem]
    if direction is None:
        return None
    known = scale or Scale(-math.inf, math.inf, math.inf, "the benchmark's task")
    return known.directed(higher_is_better=direction)


def _omission(other: _Result, first: _Result, runs: Sequence[ReportedRun]) -> Omission:
    names = dict.fromkeys((*first.way, *other.way))
    differing = [
        f"{name} {_shown(other.way.get(name))}, not {_shown(first.way.get(name))}"
        for name in names
        if other.way.get(name) != first.way.get(name)
    ]
    return Omission(
        what=f"{other.row.profiler} on {other.row.dataset} of {runs[other.run].label}",
        why=f"not comparable with that of {runs[first.run].label}: {'; '.join(differing)}",
    )


def _shown(value: Any) -> str:
    """A setting in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)
