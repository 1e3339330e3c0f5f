"""All about one run: what was asked of what, when, and how much work it was."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from llmprof.console.tables import print_table
from llmprof.report.runs import choose_run
from llmprof.results import Store

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
