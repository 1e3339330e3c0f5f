"""Runs, plans and the cache, printed on the terminal."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from llmprof.console.tables import check_format, print_rows, print_table
from llmprof.report.runs import choose_run
from llmprof.report.text import printable
from llmprof.results import Store
from llmprof.results.recipes import find_recipe, recipes

if TYPE_CHECKING:
    from llmprof.cache import CacheInfo
    from llmprof.jobs.profile import Plan
    from llmprof.jobs.verify import Verification
    from llmprof.results.reader import RunRow


_RUNS = """
SELECT id, status, model,
       backend || coalesce(' ' || (config ->> '$.identity.dtype'), '')
       || coalesce(' ' || nullif(config ->> '$.identity.quantization', 'none'), '') AS backend,
       (SELECT replace(group_concat(DISTINCT profiler), ',', ', ') FROM run_datasets
        WHERE run_id = r.id) AS profiles,
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


def print_query(
    db: Path, query: str, format: str = "table", values: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Print the rows of a SELECT, or of the recipe of that name, as `table`, `csv` or `json`.

    `values` are of its parameters; what a recipe is not given is empty.
    """
    check_format(format)
    recipe = find_recipe(query)
    with _reading(db) as store:
        if recipe is None:
            columns, rows = store.query(query, values)
        else:
            given = {**dict.fromkeys(recipe.parameters, ""), **values}
            columns, rows = store.query(recipe.sql, given)
    print_rows(columns, rows, format)


def print_recipes() -> None:
    """Print the names of the recipes and what each shows."""
    rows = [[name, recipe.title] for name, recipe in recipes().items()]
    print_table(["recipe", "shows"], rows, whole=["recipe"])


def print_runs(db: Path) -> None:
    """Print every run, the latest first."""
    with _reading(db) as store:
        columns, rows = store.query(_RUNS)
    print_table(columns, rows, numbers=["work"], whole=["id", "status", "started (UTC)"])


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


_RUN = """
SELECT id, command, model, backend, status, error, seed, git_revision, host, started_at,
       finished_at, config, versions
FROM runs WHERE id = ?
"""
_WORK = """
SELECT profiler, dataset, n_items, n_requests, n_cached, n_failed, n_truncated, n_retries, seconds
FROM run_datasets WHERE run_id = ? ORDER BY rowid
"""
# What the table of work says better, and with the hashes in full.
_ELSEWHERE = frozenset({"profiles", "texts"})


def print_run_details(db: Path, name: str) -> None:
    """Print a run's configuration, versions, time and work; the latest when `name` is empty.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: no run is called so, or several.
    """
    store = Store(db, read_only=True)
    try:
        run_id = choose_run(store, name)
        columns, (values,) = store.query(_RUN, (run_id,))
        _, work = store.query(_WORK, (run_id,))
    finally:
        store.close()
    run = dict(zip(columns, values, strict=True))
    config, versions = json.loads(run.pop("config")), json.loads(run.pop("versions"))
    run["took"] = _took(run["started_at"], run["finished_at"])
    print_table(["run", ""], [[key, value] for key, value in run.items() if value is not None])
    print_table(["configuration", ""], list(_flat(config)))
    print_table(["package", "version"], list(versions.items()))
    numbers = ["items", "requests", "cached", "failed", "truncated", "retries", "seconds"]
    rows = [[*row[:-1], None if row[-1] is None else f"{row[-1]:.1f}"] for row in work]
    print_table(["profiler", "data set", *numbers], rows, numbers=numbers)


def _took(started: str, finished: str | None) -> timedelta | None:
    """From the first start to the last end: a run that was resumed counts the time between."""
    if finished is None:
        return None
    return datetime.fromisoformat(finished) - datetime.fromisoformat(started)


def _flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its path: `options.max_new_tokens`."""
    for name, value in values.items():
        path = f"{before}{name}"
        if path in _ELSEWHERE:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, list):
            yield path, json.dumps(value, ensure_ascii=False)
        else:
            yield path, value


# A tampered sample changes every metric that it is part of.
_SHOWN = 5


def print_verification(run: RunRow, results: Sequence[Verification]) -> None:
    """Print what was checked, one row a profiler and data set, and the first differences."""
    print(f"{printable(run.model)} on {run.backend}, run {run.id}: {run.status}")
    rows = [
        [
            each.profiler,
            each.dataset,
            each.n_samples,
            each.n_metrics,
            each.n_metrics - each.n_unchecked,
            len(each.differences),
        ]
        for each in results
    ]
    numbers = ["samples", "metrics", "checked", "differences"]
    print_table(["profiler", "data set", *numbers], rows, numbers=numbers)
    for each in results:
        if each.unchecked:
            names = ", ".join(each.unchecked)
            print(f"{each.dataset}: does not follow from the samples, so not checked: {names}")
        for difference in each.differences[:_SHOWN]:
            print(f"{each.profiler} on {each.dataset}: {printable(difference)}")
        if len(each.differences) > _SHOWN:
            print(f"{each.profiler} on {each.dataset}: {len(each.differences) - _SHOWN} more")
