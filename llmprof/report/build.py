"""Builds a report: chooses the runs, puts like beside like, and compares with the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from llmprof.report.changes import compare_with_baseline
from llmprof.report.contents import Omission, Report, ReportedRun
from llmprof.report.runs import COMPLETE, choose_runs
from llmprof.report.sections import make_sections
from llmprof.results import Store


def build_report(db: Path, wanted: Sequence[str], baseline: str | None) -> Report:
    """The report on the runs that `wanted` names, compared with `baseline` if there is one.

    `wanted` holds run ids, their beginnings, or models; the latest run when it is empty. See
    `choose_runs`. The baseline is the report's first run.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name fits no run, or several where one is needed.
    """
    store = Store(db, read_only=True)
    try:
        chosen = choose_runs(store, wanted, baseline)
        sections, omissions = make_sections(store, chosen.runs)
        if chosen.baseline is not None:
            sections = [
                compare_with_baseline(store, chosen.runs, chosen.baseline, section)
                for section in sections
            ]
    finally:
        store.close()
    return Report(
        runs=chosen.runs,
        sections=sections,
        baseline=chosen.baseline,
        omissions=[*chosen.omissions, *map(_unfinished, _incomplete(chosen.runs)), *omissions],
    )


def _incomplete(runs: Sequence[ReportedRun]) -> list[ReportedRun]:
    return [run for run in runs if run.status != COMPLETE]


def _unfinished(run: ReportedRun) -> Omission:
    reason = f" ({run.error})" if run.error else ""
    return Omission(
        what=f"the rest of {run.label}, run {run.run_id}",
        why=f"it is {run.status}, not complete{reason}: run it again to go on",
    )
