"""A results database that the command line made."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERYTHING = (
    *("base", "--profilers", "textual,toxicity,bias,calibration", "--limit", "8"),
    *("--toxicity-samples", "3", "--toxicity-scorer", "scripted"),
)
BIAS = ("changed", "--profilers", "bias,calibration", "--limit", "8", "--prompt-format", "paper")


def recorded(scores: Path) -> tuple[str, ...]:
    """A profile whose scorer knows none of the texts."""
    scores.write_text('{"text": "something else", "TOXICITY": 0.5}\n')
    return (
        *("unscored", "--profilers", "toxicity", "--limit", "5", "--toxicity-samples", "2"),
        *("--toxicity-scorer", "recorded", "--toxicity-model", f"nobody={scores}"),
    )


@pytest.fixture(scope="session")
def results_db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four runs, from the earliest: everything, the same in part and twice, failed scores."""
    folder = tmp_path_factory.mktemp("results")
    db = folder / "llmprof.db"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    for arguments in (EVERYTHING, BIAS, BIAS, recorded(folder / "scores.jsonl")):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "llmprof", "profile", *arguments),
                *("--backend", "scripted", "--data", "builtin", "--quiet"),
                *("--db", str(db), "--cache-dir", str(folder / "cache")),
            ],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**kept, "PYTHONPATH": str(ROOT)},
        )
        # A profile without any score has failed, but is stored.
        assert done.returncode == (1 if arguments[0] == "unscored" else 0), done.stderr
    # So that queries on the latest complete runs find the failed scores too.
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE runs SET status = 'complete', error = NULL")
    return db
