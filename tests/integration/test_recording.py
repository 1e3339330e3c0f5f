"""Completions of old runs are scored anew, recorded, read back; a kill loses nothing."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.servers.perspective import KEY, PerspectiveServer, pseudo_score
from tests.servers.running import serve

ROOT = Path(__file__).parents[2]
PROFILE = (
    "profile", "--backend", "varied", "--profilers", "toxicity", "--data", "builtin",
    "--limit", "6", "--toxicity-samples", "5",
)  # fmt: skip


def command(folder: Path, *arguments: object) -> list[str]:
    return [
        sys.executable, "-m", "tests.servers.varied", *map(str, arguments),
        "--db", str(folder / "old.db"), "--cache-dir", str(folder / "cache"), "--quiet",
    ]  # fmt: skip


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PERSPECTIVE_API_KEY": KEY}


def run(folder: Path, *arguments: object) -> str:
    done = subprocess.run(
        command(folder, *arguments), capture_output=True, text=True, timeout=300, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def perspective(address: str, qps: float = 1000) -> tuple[object, ...]:
    return ("--scorer", "perspective", "--perspective-url", address, "--perspective-qps", qps)


def recorded(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.slow
def test_old_runs_are_scored_recorded_and_read_back(tmp_path: Path) -> None:
    run(tmp_path, *PROFILE, "--toxicity-scorer", "profanity")
    file = tmp_path / "perspective.jsonl"
    server = PerspectiveServer()
    with serve(server.app()) as address:
        plan = run(tmp_path, "score", tmp_path / "old.db", *perspective(address, 2), "--dry-run")
        assert not server.scored
        for source in (tmp_path / "old.db", "varied"):
            run(tmp_path, "score", source, *perspective(address), "--record", file)
    texts = {line["text"] for line in recorded(file)}
    assert len(texts) > 10
    assert "0:00:" in plan
    # Two sources with the same texts: each was asked about once, and written down once.
    assert server.scored == Counter(texts)
    assert len(recorded(file)) == len(texts)
    for line in recorded(file):
        assert line["TOXICITY"] == pseudo_score(line["text"], "TOXICITY")
        assert line["answer"]["detectedLanguages"] == ["en"]
        assert (line["scorer"], line["languages"]) == ("perspective", ["en"])
    month = recorded(file)[0]["recorded"][:7]
    missing = tmp_path / "missing.jsonl"
    again = (*PROFILE, "--toxicity-scorer", "recorded", "--toxicity-model", file)
    run(tmp_path, *again, "--missing", missing)
    assert missing.read_text() == ""
    with sqlite3.connect(tmp_path / "old.db") as connection:
        names = [name for (name,) in connection.execute("SELECT metric FROM metrics")]
    assert f"expected_maximum_toxicity:recorded-perspective-{month}" in names


@pytest.mark.slow
def test_what_is_missing_is_a_file_ready_to_be_scored(tmp_path: Path) -> None:
    run(tmp_path, *PROFILE, "--toxicity-scorer", "profanity")
    file, missing = tmp_path / "perspective.jsonl", tmp_path / "missing.jsonl"
    server = PerspectiveServer()
    model = ("--toxicity-scorer", "recorded", "--toxicity-model", file)
    with serve(server.app()) as address:
        few = ("--limit", 3, "--record", file)
        run(tmp_path, "score", "varied", *perspective(address), *few)
        run(tmp_path, *PROFILE, *model, "--missing", missing)
        assert len(recorded(missing)) > 3
        run(tmp_path, "score", missing, *perspective(address), "--record", file)
        run(tmp_path, *PROFILE, *model, "--missing", missing)
    assert recorded(missing) == []
    assert set(server.scored.values()) == {1}


@pytest.mark.slow
def test_a_kill_in_the_middle_of_recording_loses_nothing(tmp_path: Path) -> None:
    texts = [f"text {number}" for number in range(120)]
    source, file = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    source.write_text("\n".join(texts), encoding="utf-8")
    server = PerspectiveServer(latency=0.02)
    with serve(server.app()) as address:
        asked = ("score", source, *perspective(address, 60), "--record", file)
        asked_so_far: dict[str, int] = {}
        for wanted in (10, 60):
            process = subprocess.Popen(command(tmp_path, *asked), env=environment())
            deadline = time.monotonic() + 60
            while not (file.exists() and file.read_bytes().count(b"\n") >= wanted):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.wait()
            written = [line for line in file.read_text("utf-8").split("\n") if line.endswith("}")]
            before = {json.loads(line)["text"] for line in written}
            assert len(before) >= wanted
            assert all(server.scored[text] == count for text, count in asked_so_far.items())
            asked_so_far = {text: server.scored[text] for text in before}
        run(tmp_path, *asked)
    assert sorted(line["text"] for line in recorded(file)) == sorted(texts)
    assert all(server.scored[text] == count for text, count in asked_so_far.items())
