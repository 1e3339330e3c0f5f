"""Runs to save in a results database."""

from pathlib import Path

from llmprof.metrics.samples import Metric, Sample
from llmprof.results import ProfileResult, RunStart, Store, Work

START = RunStart("profile", "m", "b", {"limit": 3}, 0, {"llmprof": "0"}, "abc")


RESULT = ProfileResult(
    "textual",
    "v1",
    "d",
    "builtin",
    "f" * 64,
    True,
    2,
    [
        Sample("1", "p", "text \x00 '; DROP TABLE runs", {"mtld": 1.5, "smog": None}),
        Sample("2", "p", None, {}, error_class="Refused"),
    ],
    [Metric("mtld", 1.5, None, None, 1, 2), Metric("smog", None, None, None, 0, 2, reason="short")],
    Work(2, 1, 1, 0, 3, 0.5),
)


def rows(db: Path, sql: str) -> list[tuple[object, ...]]:
    with Store(db, read_only=True) as store:
        return store.query(sql)[1]


def save(db: Path, start: RunStart = START, status: str = "complete") -> str:
    with Store(db) as store:
        run_id = store.begin_run(start)
        store.save_profile(run_id, RESULT)
        store.finish_run(run_id, status)
        return run_id
