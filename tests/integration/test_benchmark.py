"""Benchmarks of the real small model: equal to lm-eval's own model, and nothing asked twice."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends.huggingface.model_files import find_model
from tests.command_line import llmprof
from tests.integration.test_profile import command, entries
from tests.jobs.benchmark.task_files import (
    write_choice,
    write_cloze,
    write_openbookqa,
    write_pages,
    write_sums,
)

TASKS = ("choice", "cloze", "pages", "sums", "openbookqa")


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory, data_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    write_choice(folder)
    write_cloze(folder)
    write_pages(folder)
    write_sums(folder)
    write_openbookqa(folder, data_dir)
    return folder


def benchmark(tasks: Path, db: Path, cache: Path, names: str, *more: object) -> list[object]:
    return [
        *("benchmark", "--tasks", names, "--include-path", tasks, "--offline", "--dtype", "fp32"),
        *("--db", db, "--cache-dir", cache, *more),
    ]


def reference(tasks: Path, cache: Path, names: tuple[str, ...], **options: Any) -> Any:
    """What lm-eval's own `hf` model gets."""
    from lm_eval.evaluator import evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    folder = find_model(None, revision=None, offline=True, cache_dir=cache).path
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    return evaluate(
        lm=HFLM(pretrained=folder, dtype="float32", device="cpu", batch_size=8),
        task_dict=manager.load(list(names)),
        bootstrap_iters=0,
        **options,
    )


def stored(db: Path, task: str) -> tuple[dict[str, float], list[dict[str, Any]], list[str]]:
    """Metrics, scores of each sample, and responses of a task."""
    with sqlite3.connect(db) as connection:
        metrics = connection.execute(
            "SELECT metric, value FROM metrics WHERE dataset = ?", (task,)
        ).fetchall()
        rows = connection.execute(
            "SELECT scores, response FROM samples WHERE dataset = ? ORDER BY id", (task,)
        ).fetchall()
    return dict(metrics), [json.loads(scores) for scores, _ in rows], [text for _, text in rows]


def assert_equal(db: Path, task: str, expected: Any) -> None:
    metrics, scores, responses = stored(db, task)
    for key, value in expected["results"][task].items():
        name, comma, _ = key.partition(",")
        if comma and not name.endswith("_stderr"):
            assert metrics[name] == pytest.approx(value, rel=1e-4), (task, name)
    samples = expected["samples"][task]
    assert len(scores) == len(samples)
    for ours, text, theirs in zip(scores, responses, samples, strict=True):
        answers = theirs["filtered_resps"]
        if isinstance(answers[0], str):
            assert text == answers[0]
            continue
        totals = [each if isinstance(each, float) else each[0] for each in answers]
        found = [value for name, value in ours.items() if name.startswith("log_likelihood")]
        assert found == pytest.approx(totals, abs=1e-3)


@pytest.mark.slow
def test_every_output_type_agrees_with_lm_evals_own_model(
    tasks: Path, fresh_cache: Path, tmp_path: Path
) -> None:
    db = tmp_path / "a.db"
    done = llmprof(*benchmark(tasks, db, fresh_cache, ",".join(TASKS), "--limit", 8))
    assert done.returncode == 0, done.stderr
    expected = reference(tasks, fresh_cache, TASKS, limit=8)
    for task in TASKS:
        assert_equal(db, task, expected)


@pytest.mark.slow
def test_chat_template_agrees_with_lm_evals_own_model(
    tasks: Path, fresh_cache: Path, tmp_path: Path
) -> None:
    db = tmp_path / "a.db"
    names = ("choice", "sums")
    done = llmprof(*benchmark(tasks, db, fresh_cache, ",".join(names), "--apply-chat-template"))
    assert done.returncode == 0, done.stderr
    expected = reference(
        tasks, fresh_cache, names, apply_chat_template=True, fewshot_as_multiturn=True
    )
    for task in names:
        assert_equal(db, task, expected)


@pytest.mark.slow
def test_killed_benchmark_asks_nothing_twice(
    tasks: Path, fresh_cache: Path, tmp_path: Path
) -> None:
    db = tmp_path / "a.db"
    line = benchmark(tasks, db, fresh_cache, "openbookqa", "--limit", 12)
    process = subprocess.Popen(command(*line), stderr=subprocess.DEVNULL)
    while process.poll() is None and entries(fresh_cache) < 16:
        time.sleep(0.02)
    assert process.poll() is None, "it finished before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = entries(fresh_cache)
    resumed = llmprof(*line)
    assert resumed.returncode == 0, resumed.stderr
    assert f"openbookqa (log_likelihood): 48/48 done, {kept} cached" in resumed.stderr
    with sqlite3.connect(db) as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("complete",)]
    again = llmprof(*line)
    assert "48/48 done, 48 cached" in again.stderr
