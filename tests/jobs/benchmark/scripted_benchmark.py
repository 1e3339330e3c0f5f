"""A benchmark on a scripted model, in a folder of its own."""

import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.errors import LlmprofError
from llmprof.jobs.benchmark import (
    BenchmarkJob,
    BenchmarkOutcome,
    evaluate,
)
from llmprof.ledger import Progress
from llmprof.requests import (
    Outcome,
)
from tests.jobs.benchmark.task_files import (
    write_choice,
    write_cloze,
    write_pages,
    write_sums,
)

ALL = ("choice", "cloze", "pages", "sums")


class Benchmark:
    """Runs benchmarks of one model in one folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tasks = folder / "tasks"
        self.db = folder / "a.db"
        self.failures: list[LlmprofError] = []
        self.backend = ScriptedBackend()
        monkeypatch.setattr(evaluate, "create_backend", lambda name, options: self.backend)
        self._job = BenchmarkJob(
            tasks=(),
            backend="scripted",
            backend_options=BackendOptions(offline=True),
            db=self.db,
            cache_dir=folder / "cache",
            include_path=self.tasks,
        )

    def run(self, *tasks: str, **options: Any) -> BenchmarkOutcome:
        self.progress: dict[str, Progress] = {}
        self.failures.clear()
        job = self.job(*tasks, **options)
        return evaluate.run_benchmark(job, self.progress.__setitem__, self.failures.append)

    def job(self, *tasks: str, **options: Any) -> BenchmarkJob:
        return replace(self._job, tasks=tasks, **options)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.db) as connection:
            return connection.execute(sql).fetchall()

    def metrics(self, task: str) -> dict[str, float]:
        return dict(self.rows(f"SELECT metric, value FROM metrics WHERE dataset = '{task}'"))

    def scores(self, task: str) -> list[dict[str, Any]]:
        rows = self.rows(f"SELECT scores FROM samples WHERE dataset = '{task}' ORDER BY id")
        return [json.loads(row[0]) for row in rows]


def scripted(answer: Callable[[Any], Outcome | None], **options: Any) -> ScriptedBackend:
    """A model that answers some requests as `answer` says, and the others by default."""
    return ScriptedBackend(lambda request: answer(request) or default_script(request), **options)


def write_all(folder: Path) -> None:
    write_choice(folder)
    write_cloze(folder)
    write_pages(folder)
    write_sums(folder)
