"""Send runs to experiment trackers: metrics with intervals, configuration, and the report page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llmprof.options import names_in
from llmprof.report.contents import Report
from llmprof.results import Store
from llmprof.results.series import read_series
from llmprof.trackers import TrackedRun, check_trackers, record

_NOT_IN_NAMES = re.compile(r"[^\w./ -]+", re.ASCII)


def check_track(trackers: str | Sequence[str] | None) -> None:
    """Refuse a tracker that cannot be used, before any work; None means no tracker.

    Raises:
        UnknownNameError: there is no such tracker.
        MissingDependencyError: its package is not installed.
    """
    if trackers is not None:
        check_trackers(names_in(trackers, "--track"))


def track_run(
    db: Path,
    run: str,
    trackers: str | Sequence[str] | None,
    *,
    series: str | None = None,
    step: int = 0,
    name: str | None = None,
) -> None:
    """Send a run to each tracker, as a step of its series if it has one; None means no tracker.

    `trackers` are names, or a comma-separated list, each optionally followed by a colon and a
    destination. `name` is the name of the run there; default: its series, or its model.

    Raises:
        UnknownNameError: there is no such tracker or run.
        MissingDependencyError: the package of a tracker is not installed.
        TrackerError: a tracker refused the run.
    """
    if trackers is None:
        return
    # Most runs are not tracked, and a page takes a moment to import.
    from llmprof.report.build import build_report
    from llmprof.report.html import write_page

    wanted = check_trackers(names_in(trackers, "--to"))
    report = build_report(db, (run,), None)
    (shown,) = report.runs[:1]
    with TemporaryDirectory(prefix="llmprof-") as folder:
        page = Path(folder) / "report.html"
        write_page(report, db, page)
        tracked = TrackedRun(
            run_id=shown.run_id,
            name=name or series or shown.model,
            series=series,
            step=step,
            config={
                "model": shown.model,
                "backend": shown.backend,
                "command": shown.command,
                "seed": str(shown.seed),
                **dict(_flat(shown.config)),
            },
            metrics=dict(_metrics(report)),
            page=page,
        )
        for tracker, destination in wanted:
            record(tracker, tracked, destination)


def track_series(db: Path, series: str, trackers: str | Sequence[str]) -> int:
    """Send every step of a series and return their number; see `track_run`."""
    with Store(db, read_only=True) as store:
        steps = read_series(store, series)
    for step, run_id in steps:
        track_run(db, run_id, trackers, series=series, step=step)
    return len(steps)


def _metrics(report: Report) -> Iterator[tuple[str, float]]:
    """Overall metrics, with their interval bounds and counts."""
    for section in report.sections:
        place = section.profiler
        if section.dataset != section.profiler:
            place += f"/{section.dataset}"
        # Findings have groups alone, each of which is about all items.
        summaries = [row for row in section.rows if section.is_summary(row)]
        for row in summaries or section.rows:
            value = row.values[0]
            if value is None or value.value is None:
                continue
            group = "" if row.group == "overall" else f"/{row.group}"
            name = _NOT_IN_NAMES.sub("_", f"{place}/{row.metric}{group}")
            yield name, value.value
            if value.ci_low is not None and value.ci_high is not None:
                yield f"{name}/ci_low", value.ci_low
                yield f"{name}/ci_high", value.ci_high
            yield f"{name}/n", float(value.n)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its path: `options.max_new_tokens`."""
    for name, value in values.items():
        path = _NOT_IN_NAMES.sub("_", f"{before}{name}")
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value if isinstance(value, str) else json.dumps(value)
