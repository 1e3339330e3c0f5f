"""Runs, metrics, plans and the cache, printed on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from llmprof.errors import StoreError
from llmprof.records import OVERALL
from llmprof.report.tables import check_format, number, print_rows, print_table, printable
from llmprof.results import Store

if TYPE_CHECKING:
    from llmprof.cache import CacheInfo
    from llmprof.profile import Plan

# The points of a reliability diagram ("bin 01") are to be drawn, not read.
_METRICS = """
SELECT metric, "group", value, ci_low, ci_high, n, n_total, reason FROM metrics
WHERE run_id = ? AND profiler = ? AND dataset = ? AND "group" NOT GLOB 'bin [0-9]*'
ORDER BY rowid
"""
_RUNS = """
SELECT id, status, model, backend,
       (SELECT group_concat(DISTINCT profiler) FROM run_datasets d WHERE run_id = r.id) AS profiles,
       substr(replace(started_at, 'T', ' '), 1, 16) AS "started (UTC)",
       (SELECT printf('%.0f s', sum(seconds)) FROM run_datasets WHERE run_id = r.id) AS work
FROM runs r ORDER BY id DESC
"""


@contextmanager
def _reading(db: Path) -> Iterator[Store]:
    store = Store(db, read_only=True)
    try:
        yield store
    finally:
        store.close()


def print_query(db: Path, sql: str, format: str = "table") -> None:
    """Print the rows of a SELECT as `table`, `csv` or `json`."""
    check_format(format)
    with _reading(db) as store:
        columns, rows = store.query(sql)
    print_rows(columns, rows, format)


def print_runs(db: Path) -> None:
    """Print every run, the latest first."""
    with _reading(db) as store:
        columns, rows = store.query(_RUNS)
    print_table(columns, rows, numbers=["work"], whole=["id", "status", "started (UTC)"])


def print_run(db: Path, run: str) -> None:
    """Print one run's metrics; the latest when `run` is empty, else the id or its beginning.

    Raises:
        StoreError: there is no such run.
    """
    with _reading(db) as store:
        _, found = store.query(
            "SELECT id, model, backend, status, error FROM runs WHERE substr(id, 1, ?) = ? "
            "ORDER BY id DESC LIMIT 1",
            (len(run), run),
        )
        if not found:
            wanted = f"no run {run!r}" if run else "no run yet"
            raise StoreError(f"{db} holds {wanted}; `llmprof runs` lists what there is")
        run_id, model, backend, status, error = found[0]
        print(f"{printable(model)} on {backend}, run {run_id}: {status}")
        if status != "complete":
            print(f"not complete{f' ({printable(error)})' if error else ''}: run it again to go on")
        _, data = store.query(
            "SELECT profiler, dataset, source, sha256, demonstration FROM run_datasets "
            "WHERE run_id = ? ORDER BY rowid",
            (run_id,),
        )
        for profiler, dataset, source, sha256, demonstration in data:
            _, rows = store.query(_METRICS, (run_id, profiler, dataset))
            _print_metrics(f"{profiler} on {dataset}", rows)
            print(f"source {printable(source)}, SHA-256 {sha256[:12]}")
            if demonstration:
                print("demonstration data: not comparable with published numbers")


def _print_metrics(title: str, rows: Sequence[tuple[object, ...]]) -> None:
    """One line a metric; below, those that are not defined, and cautions about those that are."""
    grouped = any(row[1] != OVERALL for row in rows)
    columns = ["metric", *(["group"] if grouped else []), "value", "95% interval", "n"]
    shown: list[list[object]] = []
    undefined: dict[object, list[str]] = {}
    cautions: dict[object, list[str]] = {}
    for metric, group, value, low, high, n, n_total, reason in rows:
        name = [metric, *([group] if grouped else [])]
        if value is None:
            undefined.setdefault(reason, []).append(" ".join(map(str, name)))
            continue
        if reason is not None:
            cautions.setdefault(reason, []).append(" ".join(map(str, name)))
        interval = None if low is None else f"{number(low)} to {number(high)}"
        shown.append([*name, number(value), interval, n if n == n_total else f"{n}/{n_total}"])
    print_table(columns, shown, title=title, numbers=("value", "95% interval", "n"))
    for reason, names in undefined.items():
        print(f"not defined ({reason}): {', '.join(names)}")
    for reason, names in cautions.items():
        print(f"note ({reason}): {', '.join(names)}")


def print_plan(plans: Sequence[Plan]) -> None:
    """Print what a run would ask, and the time it takes at the rate that was given."""
    columns = ["profiler", "data set", "source", "items", "requests", "cached", "to ask"]
    rows: list[list[object]] = [
        [p.profiler, p.dataset, p.source, p.items, p.requests, p.cached, p.requests - p.cached]
        for p in plans
    ]
    numbers = columns[3:]
    if any(plan.seconds is not None for plan in plans):
        columns, numbers = [*columns, "time"], [*numbers, "time"]
        for row, plan in zip(rows, plans, strict=True):
            row.append(None if plan.seconds is None else _duration(plan.seconds))
    print_table(columns, rows, title="dry run: nothing was asked", numbers=numbers)


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds, as `2:05:00`."""
    return str(timedelta(seconds=math.ceil(seconds)))


def print_cache(info: CacheInfo) -> None:
    """Print what the cache of responses holds."""
    print(f"{info.directory}: {info.entries} responses, {info.size_bytes / 1e6:.1f} MB")
    if info.oldest is not None and info.newest is not None:
        first, last = (datetime.fromtimestamp(time) for time in (info.oldest, info.newest))
        print(f"stored from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}")
        rows = list(info.by_model.items())
        print_table(["model", "responses"], rows, numbers=["responses"])
