"""`llmprof profile` with a server of its own: the real model's numbers, and nothing left behind."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.servers import program
from tests.tiny_models import save_llama

pytestmark = pytest.mark.slow

BASE = [sys.executable, "-m", "llmprof", "profile", "--data", "builtin"]


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program called vllm, on PATH."""
    file = tmp_path / "bin" / "vllm"
    file.parent.mkdir()
    file.write_text(f'#!/bin/sh\nexec {sys.executable} {program.__file__} "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}{os.environ['PATH']}")


def scores(db: Path) -> list[tuple[Any, ...]]:
    sql = """SELECT sample_id, scores ->> 'log_likelihood_more',
             scores ->> 'log_likelihood_less' FROM samples ORDER BY sample_id"""
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.usefixtures("vllm")
def test_managed_server_scores_as_the_local_backend_does(
    tmp_path: Path, fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder,) = (path for path in (fresh_cache / "models").iterdir() if path.is_dir())
    monkeypatch.setenv("STAND_IN_MODEL", str(folder))
    found = []
    for backend in ("huggingface", "vllm"):
        db = tmp_path / f"{backend}.db"
        place = ("--db", str(db), "--cache-dir", str(fresh_cache), "--offline", "--quiet")
        asked = ("--backend", backend, "--dtype", "fp32", "--profilers", "crows_pairs")
        subprocess.run([*BASE, *asked, "--limit", "4", *place], check=True)
        found.append(scores(db))
    for ours, theirs in zip(*found, strict=True):
        assert theirs[0] == ours[0]
        assert theirs[1:] == pytest.approx(ours[1:], abs=1e-3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.usefixtures("vllm")
def test_nothing_is_left_when_llmprof_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    monkeypatch.setenv("STAND_IN_PIDS", str(pids))
    monkeypatch.setenv("STAND_IN_FAULT", "never")
    folder = save_llama(tmp_path / "tiny")
    place = ("--db", str(tmp_path / "a.db"), "--cache-dir", str(tmp_path / "cache"))
    command = [*BASE, str(folder), "--backend", "vllm", *place]
    with subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True) as running:
        while not (pids.is_file() and len(pids.read_text().split()) == 2):
            assert running.poll() is None
            time.sleep(0.05)
        os.killpg(running.pid, number)
    deadline = time.monotonic() + 30
    started = [int(pid) for pid in pids.read_text().split()]
    while any(map(psutil.pid_exists, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, started))
