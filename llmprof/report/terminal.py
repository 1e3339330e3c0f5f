"""Results as tables on the terminal, or as CSV and JSON."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

from llmprof.errors import StoreError, UnknownNameError
from llmprof.results.store import Store, format_json


def print_query(db: Path, sql: str, format: str = "table") -> None:
    """Print the rows of a SELECT as `table`, `csv` or `json`."""
    if format not in ("table", "csv", "json"):
        raise UnknownNameError(f"unknown format {format!r}; choose one of: table, csv, json")
    store = Store(db, read_only=True)
    try:
        columns, rows = store.query(sql)
    finally:
        store.close()
    if format == "json":
        print(format_json(columns, rows))
    elif format == "csv":
        csv.writer(sys.stdout).writerows([columns, *rows])
    else:
        _print_table(columns, rows)


def _print_table(columns: list[str], rows: list[tuple[Any, ...]], title: str | None = None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title)
    for column in columns:
        table.add_column(Text(column))
    for row in rows:
        table.add_row(*(Text("–" if value is None else str(value)) for value in row))
    Console().print(table)


def print_run(db: Path, run: str) -> None:
    """Print one run's metrics; the latest when `run` is empty, else the id or its beginning.

    Raises:
        StoreError: there is no such run.
    """
    store = Store(db, read_only=True)
    try:
        _, found = store.query(
            "SELECT id, model, backend, status FROM runs WHERE id LIKE ? ORDER BY id DESC LIMIT 1",
            (f"{run}%",),
        )
        if not found:
            raise StoreError(f"{db} holds no run {run!r}; `llmprof runs` lists them")
        run_id, model, backend, status = found[0]
        _, data = store.query(
            "SELECT profiler, dataset, source, sha256, demonstration FROM run_datasets "
            "WHERE run_id = ?",
            (run_id,),
        )
        print(f"{model} on {backend}, run {run_id}: {status}")
        for profiler, dataset, source, sha256, demonstration in data:
            columns, rows = store.query(
                'SELECT metric, "group", round(value, 3) AS value, round(ci_low, 3) AS ci_low, '
                "round(ci_high, 3) AS ci_high, n || '/' || n_total AS n FROM metrics "
                "WHERE run_id = ? AND profiler = ? AND dataset = ? ORDER BY rowid",
                (run_id, profiler, dataset),
            )
            _print_table(columns, rows, f"{profiler} · {dataset}")
            print(f"source {source}, SHA-256 {sha256[:12]}; 95% bootstrap intervals")
            if demonstration:
                print("demonstration data: not comparable with published numbers")
    finally:
        store.close()
