"""The command line against servers on loopback: interruption, and keys that are kept nowhere."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers.cohere import CohereServer
from tests.servers.openai import OpenAIServer
from tests.servers.running import serve

_KEY = "sk-this-key-must-be-seen-nowhere"


def command(folder: Path, *arguments: str) -> list[str]:
    places = ("--db", str(folder / "a.db"), "--cache-dir", str(folder / "cache"))
    return [sys.executable, "-m", "llmprof", "profile", "--data", "builtin", *places, *arguments]


def crows_pairs(folder: Path, address: str, *arguments: str) -> list[str]:
    server = ("--backend", "openai", "--base-url", f"{address}/v1", "--bos-token", "<s>")
    return command(folder, *server, "--profilers", "crows_pairs", "--concurrency", "4", *arguments)


def test_interrupted_run_asks_nothing_again(tmp_path: Path) -> None:
    server = OpenAIServer(latency=0.05)
    with serve(server.app()) as address:
        line = crows_pairs(tmp_path, address)
        process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
        while server.answered.total() < 20 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "interrupted" in stderr
        before = server.answered.total()
        done = subprocess.run(line, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    # Both runs probe the server; at most the 4 in flight had been answered but not arrived.
    again = server.answered.total() - len(server.answered)
    assert before >= 20
    assert again <= 4 + 1


def test_dry_run_says_the_time_at_the_given_rate(tmp_path: Path) -> None:
    with serve(OpenAIServer().app()) as address:
        line = crows_pairs(tmp_path, address, "--limit", "5", "--rpm", "2", "--dry-run")
        done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "0:05:00"


def test_a_missing_beginning_of_text_token_is_asked_for_before_the_work(tmp_path: Path) -> None:
    server = OpenAIServer()
    with serve(server.app()) as address:
        base = ("--backend", "openai", "--base-url", f"{address}/v1")
        line = command(tmp_path, *base, "--profilers", "bbq,textual,crows_pairs")
        done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 2
    (said,) = done.stderr.splitlines()
    assert "'crows_pairs' needs the likelihood of texts without a prompt" in said
    assert "name the model's with --bos-token" in said
    assert "it can serve: bbq, " in said
    # Only to find out what the server can do.
    assert server.answered.total() == 1


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("provider", ["cohere", "openai"])
def test_key_is_nowhere_after_a_failing_run(tmp_path: Path, provider: str, debug: bool) -> None:
    app = CohereServer().app() if provider == "cohere" else OpenAIServer(key="another").app()
    variable = "CO_API_KEY" if provider == "cohere" else "OPENAI_API_KEY"
    with serve(app) as address:
        base = address if provider == "cohere" else f"{address}/v1"
        line = command(tmp_path, "toy", "--backend", provider, "--base-url", base)
        done = subprocess.run(
            [*line, "--profilers", "textual", *(["--debug"] if debug else [])],
            env={**os.environ, variable: _KEY},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 1
    assert variable in done.stderr
    assert "***" in done.stderr
    assert ("Traceback" in done.stderr) == debug
    assert _KEY not in done.stdout + done.stderr
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert kept
    assert [path for path in kept if _KEY.encode() in path.read_bytes()] == []
