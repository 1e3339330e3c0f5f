"""Runs, plans and the cache, printed on the terminal."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from llmprof.console.tables import check_format, print_rows, print_table
from llmprof.errors import UsageError
from llmprof.report.runs import find_run
from llmprof.results import Store
from llmprof.results.reader import DatasetRow, RunRow, read_datasets, read_runs
from llmprof.results.recipes import find_recipe, recipes
from llmprof.safe_text import printable

if TYPE_CHECKING:
    from llmprof.cache import CacheInfo
    from llmprof.jobs.dry_run import Plan
    from llmprof.jobs.verify import Verification


def print_query(
    db: Path, query: str, format: str = "table", values: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Print the rows of a SELECT, or of the recipe of that name, as `table`, `csv` or `json`.

    `values` are of its parameters; what a recipe is not given is empty.
    """
    check_format(format)
    recipe = find_recipe(query)
    sql = query if recipe is None else recipe.sql
    for name in values:
        if re.search(rf"[:@$]{re.escape(name)}\b", sql) is None:
            raise UsageError(f"--param {name}: the query has no :{name}; remove it")
    with Store(db, read_only=True) as store:
        if recipe is None:
            columns, rows = store.query(query, dict(values))
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
    with Store(db, read_only=True) as store:
        runs, datasets = read_runs(store), read_datasets(store)
    rows = [
        _listed(run, [each for each in datasets if each.run_id == run.id]) for run in reversed(runs)
    ]
    columns = ["id", "status", "model", "backend", "profiles", "started (UTC)", "work"]
    repeats = _repeats(runs)
    called = [_called(run, repeats.get(run.id)) for run in reversed(runs)]
    if any(called):
        columns.insert(1, "called")
        for row, name in zip(rows, called, strict=True):
            row.insert(1, name)
    print_table(columns, rows, numbers=["work"], whole=["id", "status", "started (UTC)"])


def _called(run: RunRow, repeats: str | None) -> str | None:
    """A run's name and tags, and of which earlier run it is a repeat."""
    words = [run.name, *(f"#{tag}" for tag in run.tags)]
    if repeats is not None:
        words.append(f"repeats {repeats.rpartition('-')[2]}")
    return ", ".join(word for word in words if word) or None


def _repeats(runs: Sequence[RunRow]) -> dict[str, str]:
    """The runs before which there was one of the same configuration, with the latest of those."""
    latest: dict[str, str] = {}
    found = {}
    for run in runs:
        same = json.dumps(
            [run.command, run.model, run.backend, run.seed, run.config], sort_keys=True
        )
        if same in latest:
            found[run.id] = latest[same]
        latest[same] = run.id
    return found


def _listed(run: RunRow, datasets: Sequence[DatasetRow]) -> list[object]:
    """A line of the list of runs: what tells them apart, and the work they took."""
    identity = run.config.get("identity", {})
    format = [identity.get("dtype"), identity.get("quantization")]
    backend = [run.backend, *(str(each) for each in format if each not in (None, "none"))]
    profiles = dict.fromkeys(each.profiler for each in datasets)
    seconds = [each.seconds for each in datasets if each.seconds is not None]
    return [
        run.id,
        run.status,
        run.model,
        " ".join(backend),
        ", ".join(profiles) or None,
        run.started_at[:16].replace("T", " "),
        f"{sum(seconds):.0f} s" if seconds else None,
    ]


def print_plan(plans: Sequence[Plan], title: str = "dry run: nothing was asked") -> None:
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
            row.append(None if plan.seconds is None else duration(plan.seconds))
    print_table(columns, rows, title=title, numbers=numbers, keys=2)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds, as `2:05:00`."""
    return str(timedelta(seconds=math.ceil(seconds)))


def print_cache(info: CacheInfo) -> None:
    """Print what the cache of responses holds."""
    size = f"{info.entries} responses, {info.size_bytes / 1e6:.1f} MB"
    print(printable(f"{info.directory}: {size}"))
    if info.oldest is not None and info.newest is not None:
        first, last = (datetime.fromtimestamp(time) for time in (info.oldest, info.newest))
        print(f"stored from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}")
        rows = list(info.by_model.items())
        print_table(["model", "responses"], rows, numbers=["responses"])


# What the table of work says better, and with the hashes in full.
_ELSEWHERE = frozenset({"profiles", "texts"})


def print_run_details(db: Path, name: str) -> None:
    """Print a run's configuration, versions, time and work; the latest when `name` is empty.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: no run is called so, or several.
    """
    with Store(db, read_only=True) as store:
        run = find_run(store, name)
        datasets = read_datasets(store, run.id)
    facts: dict[str, object] = {
        field.name: getattr(run, field.name)
        for field in fields(run)
        if field.name not in ("config", "versions")
    }
    facts["tags"] = ", ".join(run.tags) or None
    facts["scorer"] = "; ".join(run.scorers) or None
    facts["took"] = _took(run.started_at, run.finished_at)
    print_table(["run", ""], [[key, value] for key, value in facts.items() if value is not None])
    print_table(["configuration", ""], list(_flat(run.config)))
    print_table(["package", "version"], list(run.versions.items()))
    numbers = ["items", "requests", "cached", "failed", "cut", "shortened", "retries", "seconds"]
    work = list(map(_work, datasets))
    print_table(["profiler", "data set", *numbers], work, numbers=numbers, keys=2)
    failures = [
        [row.profiler, row.dataset, name, message]
        for row in datasets
        for name, message in row.failures.items()
    ]
    if failures:
        print_table(["profiler", "data set", "failure or remark", "first message"], failures)


def _work(row: DatasetRow) -> list[object]:
    seconds = None if row.seconds is None else f"{row.seconds:.1f}"
    work = (row.n_requests, row.n_cached, row.n_failed)
    fitted = (row.n_truncated, row.n_shortened)
    return [row.profiler, row.dataset, row.n_items, *work, *fitted, row.n_retries, seconds]


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
    print(printable(f"{run.model} on {run.backend}, run {run.id}: {run.status}"))
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
    print_table(["profiler", "data set", *numbers], rows, numbers=numbers, keys=2)
    for each in results:
        if each.n_reference:
            print(
                printable(
                    f"{each.dataset}: {each.n_reference} values compared with reference packages"
                )
            )
        if each.unchecked:
            names = ", ".join(each.unchecked)
            print(
                printable(
                    f"{each.dataset}: does not follow from the samples, so not checked: {names}"
                )
            )
        if each.n_older_intervals:
            print(
                f"{each.dataset}: {each.n_older_intervals} intervals are of an older method, the "
                "percentile bootstrap, and were not checked"
            )
        for difference in each.differences[:_SHOWN]:
            print(printable(f"{each.profiler} on {each.dataset}: {difference}"))
        if len(each.differences) > _SHOWN:
            print(
                printable(
                    f"{each.profiler} on {each.dataset}: {len(each.differences) - _SHOWN} more"
                )
            )
