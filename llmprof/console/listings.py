"""Runs, plans and the cache, printed on the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from llmprof.console.tables import check_format, print_rows, print_table
from llmprof.results import Store
from llmprof.results.recipes import find_recipe, recipes

if TYPE_CHECKING:
    from llmprof.cache import CacheInfo
    from llmprof.jobs.profile import Plan

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
