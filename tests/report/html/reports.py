"""Small databases and reports to make pages of."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from llmprof.jobs.runner import open_run
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import presentation_of
from llmprof.report.contents import Change, Report, ReportedRun, Row, Section, Value
from llmprof.results import ProfileResult, RunStart, Store, Work


def save(
    db: Path,
    profiler: str,
    samples: Sequence[Sample],
    metrics: Sequence[Metric] = (),
    *,
    model: str = "model",
) -> str:
    """Store a run of one profile and return its id."""
    start = RunStart("profile", model, "scripted", {}, 0, {})
    with Store(db) as store, open_run(store, start) as run:
        result = ProfileResult(
            profiler=profiler,
            protocol_version="1",
            dataset="data",
            source="made here",
            sha256="0" * 64,
            demonstration=False,
            n_items=len(samples),
            samples=samples,
            metrics=metrics,
            work=Work(0, 0, 0, 0, 0, 0.0),
        )
        run.save(result)
    return run.id


def run(run_id: str, label: str = "model") -> ReportedRun:
    return ReportedRun(
        run_id=run_id,
        label=label,
        command="profile",
        model=label,
        backend="scripted",
        seed=0,
        status="complete",
        error=None,
        started_at="2026-01-01T00:00:00+00:00",
        config={},
        versions={"llmprof": "0"},
    )


def value(number: float | None, reason: str | None = None) -> Value:
    if number is None:
        return Value(None, None, None, 0, 10, reason)
    return Value(number, number - 0.1, number + 0.1, 10, 10, reason)


def change(absolute: float, low: float, high: float) -> Change:
    return Change(absolute, None, low, high, 10)


def row(metric: str, *numbers: float | None, group: str = "overall") -> Row:
    values = [None if number is None else value(number) for number in numbers]
    return Row(metric, group, values, [None] * len(values), metric)


def section(profiler: str, rows: Sequence[Row], scorer: str | None = None) -> Section:
    """A section whose rows are labelled and directed as the profile says."""
    shown = presentation_of(profiler)
    rows = [
        replace(each, label=shown.label(each.metric), scale=shown.scale(each.metric))
        for each in rows
    ]
    return Section(profiler, "1", "data", "made here", "0" * 64, False, scorer, rows, shown)


def report(runs: Sequence[ReportedRun], sections: Sequence[Section]) -> Report:
    return Report(runs, sections)
