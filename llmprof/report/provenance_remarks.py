"""Remarks on the origin of a report's columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.report.contents import Report, ReportedRun, Section
from llmprof.results import Store
from llmprof.results.reader import DatasetRow, read_datasets

NOTHING_SHARED = "no item has a value in both runs"


def provenance_remarks(report: Report, wanted: Sequence[str]) -> Iterator[str]:
    """Columns of several runs, repeats, a run beside itself, and runs that share no items."""
    for run in report.runs:
        for run_id, names in _by_source(run).items():
            yield (
                f"{run.label} is run {run.run_id}, with {', '.join(names)} of its earlier run "
                f"{run_id}: of each profile the latest complete result with the most items"
            )
    yield from _repeats(report.runs)
    if report.baseline is not None and len(report.runs) == 1 and wanted:
        yield f"{report.runs[0].label} is compared with itself, so there are no changes"
    for section in report.sections:
        yield from _without_shared_items(section, report)


def _by_source(run: ReportedRun) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in run.sources:
        found.setdefault(each.run.run_id, []).append(f"{each.profiler} on {each.dataset}")
    return found


def _repeats(runs: Sequence[ReportedRun]) -> Iterator[str]:
    """Runs with the same configuration and seed, which differ only in the machine."""
    for place, run in enumerate(runs):
        for before in runs[:place]:
            same = (before.command, before.model, before.backend, before.seed, before.config)
            if same == (run.command, run.model, run.backend, run.seed, run.config):
                yield (
                    f"{run.label} repeats {before.label}: the same model, configuration and seed, "
                    "so differences are due to the machine or the server"
                )
                break


def _without_shared_items(section: Section, report: Report) -> Iterator[str]:
    for place, run in enumerate(report.runs):
        changes = [row.changes[place] for row in section.rows if row.changes[place] is not None]
        if changes and all(each and each.reason == NOTHING_SHARED for each in changes):
            assert report.baseline is not None
            yield (
                f"{run.label} and {report.runs[report.baseline].label} share no item of "
                f"{section.title}: they are not compared there"
            )


def sizes_of(store: Store, runs: Sequence[ReportedRun], profiler: str, dataset: str) -> str:
    """The number of items that the runs used, such as `20 of 1,508 items`; "" for all."""
    found: dict[str, None] = {}
    for run in runs:
        source = run.source(profiler, dataset)
        for row in read_datasets(store, source.run_id, profiler=profiler):
            if row.dataset == dataset:
                found[_size(row)] = None
    return "" if set(found) == {""} else ", ".join(each or "all items" for each in found)


def _size(row: DatasetRow) -> str:
    if row.n_available is None or row.n_items >= row.n_available:
        return ""
    return f"{row.n_items:,} of {row.n_available:,} items"
