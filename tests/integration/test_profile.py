"""The real command on the real small model: agreement with lm-eval, kill and resume, bad input."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.command_line import llmprof


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "llmprof", *map(str, arguments)]


def metrics(db: Path) -> list[tuple[object, ...]]:
    """Those of the last complete run: one that was killed keeps the profiles that were done."""
    with sqlite3.connect(db) as connection:
        return connection.execute(
            'SELECT profiler, metric, "group", value, ci_low, ci_high, n, n_total FROM metrics '
            "WHERE run_id = (SELECT max(id) FROM runs WHERE status = 'complete') ORDER BY 1, 2, 3"
        ).fetchall()


@pytest.mark.slow
def test_log_likelihoods_agree_with_lm_eval(
    data_dir: Path, cache_dir: Path, tmp_path: Path
) -> None:
    db = tmp_path / "a.db"
    done = llmprof(
        "profile", "--profilers", "crows_pairs", "--limit", 40, "--data-dir", data_dir,
        "--db", db, "--cache-dir", cache_dir, "--dtype", "fp32",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(db) as connection:
        rows = connection.execute("SELECT prompt, response, scores FROM samples").fetchall()
    assert len(rows) == 40

    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    (folder,) = (path for path in (cache_dir / "models").iterdir() if path.is_dir())
    reference = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=8)
    sentences = [text for more, less, _ in rows for text in (more, less)]
    asked = [
        Instance("loglikelihood", {}, ("", text), place) for place, text in enumerate(sentences)
    ]
    expected = [total for total, _ in reference.loglikelihood(asked, disable_tqdm=True)]
    for place, (_, _, scores) in enumerate(rows):
        ours = json.loads(scores)
        more, less = expected[2 * place], expected[2 * place + 1]
        assert ours["log_likelihood_more"] == pytest.approx(more, abs=1e-3)
        assert ours["log_likelihood_less"] == pytest.approx(less, abs=1e-3)
        assert ours["stereotypical"] == float(more > less)


@pytest.mark.slow
def test_a_run_that_asks_nothing_imports_no_model_library(
    fresh_cache: Path, tmp_path: Path
) -> None:
    line = [
        "profile", "--profilers", "crows_pairs,seat,bbq", "--data", "builtin", "--limit", 2,
        "--db", tmp_path / "a.db", "--cache-dir", fresh_cache, "--quiet",
    ]  # fmt: skip
    assert llmprof(*line).returncode == 0
    again = command(*line)
    again.insert(1, "-Ximporttime")
    done = subprocess.run(again, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "llmprof.engine" in imported
    assert imported.isdisjoint({"torch", "transformers", "spacy", "lm_eval"})


@pytest.mark.slow
def test_killed_run_resumes_to_identical_metrics(
    data_dir: Path, cache_dir: Path, tmp_path: Path
) -> None:
    def arguments(name: str) -> list[object]:
        return [
            "profile", "--profilers", "textual,crows_pairs", "--limit", 8, "--data-dir", data_dir,
            "--max-new-tokens", 8, "--db", tmp_path / f"{name}.db",
            # So that answers come a few at a time, and there are moments between them.
            "--cache-dir", tmp_path / name, "--batch-size", 4,
        ]  # fmt: skip

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "models").symlink_to(cache_dir / "models")
    whole = llmprof(*arguments("whole"))
    assert whole.returncode == 0, whole.stderr
    stored = 0
    for target in (1, 12):
        process = subprocess.Popen(command(*arguments("killed")), stderr=subprocess.DEVNULL)
        while process.poll() is None and entries(tmp_path / "killed") < target:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert entries(tmp_path / "killed") >= stored
        stored = entries(tmp_path / "killed")
        assert stored > 0
    resumed = llmprof(*arguments("killed"))
    assert resumed.returncode == 0, resumed.stderr
    assert metrics(tmp_path / "killed.db") == metrics(tmp_path / "whole.db")
    with sqlite3.connect(tmp_path / "killed.db") as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("complete",)]
    # A request asked twice would not show in the entries; what the resumed run found cached does.
    reported = [line for line in resumed.stderr.splitlines() if " done, " in line]
    cached = {line.split(":")[0]: int(line.split(" done, ")[1].split()[0]) for line in reported}
    assert sum(cached.values()) == stored


def entries(folder: Path) -> int:
    database = folder / "responses" / "cache.db"
    if not database.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            return int(connection.execute("SELECT count(*) FROM Cache").fetchone()[0])
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--profilers", "nonsense"], 2, "unknown profiler"),
        (["--backend", "nonsense"], 2, "unknown backend"),
        (["--text-dataset", "nonsense"], 2, "unknown text data set"),
        (["/no/such/model"], 2, "no model folder"),
        (["--db", "/proc/llmprof.db"], 1, "results database"),
        (["--data", "/no/such/folder"], 1, "cannot read"),
    ],
)
def test_bad_input_is_one_clear_line(
    data_dir: Path, cache_dir: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    db = [] if "--db" in arguments else ["--db", tmp_path / "a.db"]
    done = llmprof("profile", "--data-dir", data_dir, "--cache-dir", cache_dir, *db, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
