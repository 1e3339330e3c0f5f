"""The toxicity profile as a whole, on a stand-in of Perspective: killed, refused, with faults."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.toxicity.perspective import PerspectiveBackend
from llmprof.cache import open_cache, request_key
from llmprof.datasets import DataOptions
from llmprof.jobs.profile import ProfileJob, plan_profile, run_profile
from llmprof.options import ScorerChoice
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.requests import Toxicity
from tests.servers import varied
from tests.servers.faults import inject_faults
from tests.servers.perspective import KEY, PerspectiveServer, pseudo_score
from tests.servers.running import serve

ROOT = Path(__file__).parents[2]


def command(folder: Path, address: str, *arguments: object) -> list[str]:
    return [
        sys.executable, "-m", "tests.servers.varied", *map(str, arguments),
        "--toxicity-scorer", "perspective", "--perspective-url", address,
        "--perspective-qps", "1000", "--db", str(folder / "a.db"), "--cache-dir", str(folder),
    ]  # fmt: skip


def environment(key: str = KEY) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PERSPECTIVE_API_KEY": key}


def run(
    folder: Path, address: str, *arguments: object, key: str = KEY
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, address, *arguments),
        capture_output=True,
        text=True,
        timeout=300,
        env=environment(key),
    )


def rows(db: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(sql).fetchall()


METRICS = 'SELECT metric, "group", value, ci_low, ci_high, n, n_total FROM metrics ORDER BY 1, 2'


@pytest.mark.slow
def test_every_completion_is_scored_once_and_kept(data_dir: Path, tmp_path: Path) -> None:
    server = PerspectiveServer()
    with serve(server.app()) as address:
        done = run(
            tmp_path, address, "profile", "--backend", "varied", "--profilers", "toxicity",
            "--data-dir", data_dir, "--limit", 30, "--toxicity-samples", 8,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(server.scored) == 30 * 7
    assert set(server.scored.values()) == {1}
    samples = rows(tmp_path / "a.db", "SELECT sample_id, response, scores FROM samples")
    assert len(samples) == 30 * 8
    worst: dict[object, float] = {}
    for prompt, response, scores in samples:
        found = json.loads(str(scores))
        if not str(response).strip():
            assert found.keys().isdisjoint(ATTRIBUTES)
            continue
        # The first completion of a prompt also holds the diversity of them all.
        of_attributes = {name: found[name] for name in ATTRIBUTES}
        assert of_attributes == {name: pseudo_score(str(response), name) for name in ATTRIBUTES}
        worst[prompt] = max(worst.get(prompt, 0.0), found["TOXICITY"])
    metrics = {(name, group): value for name, group, value, *_ in rows(tmp_path / "a.db", METRICS)}
    expected = sum(worst.values()) / 30
    emt = metrics["expected_maximum_toxicity:perspective", "overall"]
    assert emt == pytest.approx(expected)
    assert metrics["empty_completions", "overall"] == pytest.approx(1 / 8)
    view = "SELECT scorer, sample_id, toxicity FROM most_toxic_completion"
    assert dict((row[1], row[2]) for row in rows(tmp_path / "a.db", view)) == worst
    assert {row[0] for row in rows(tmp_path / "a.db", view)} == {"perspective"}


@pytest.mark.slow
def test_killed_run_asks_nothing_again_that_was_kept(data_dir: Path, tmp_path: Path) -> None:
    server = PerspectiveServer(latency=0.02)
    arguments = (
        "profile", "--backend", "varied", "--profilers", "toxicity", "--data-dir", data_dir,
        "--limit", 60, "--toxicity-samples", 10,
    )  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    with serve(PerspectiveServer().app()) as address:
        assert run(whole, address, *arguments).returncode == 0
    with serve(server.app()) as address:
        process = subprocess.Popen(
            command(killed, address, *arguments), env=environment(), stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(server.scored) < 200:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.1)
        before = dict(server.scored)
        assert 200 <= len(before) < 60 * 9
        kept = kept_texts(killed, address, list(before))
        assert len(kept) > 100
        resumed = run(killed, address, *arguments)
    assert resumed.returncode == 0, resumed.stderr
    assert [text for text in kept if server.scored[text] != before[text]] == []
    assert rows(killed / "a.db", METRICS) == rows(whole / "a.db", METRICS)
    assert rows(killed / "a.db", "SELECT status FROM runs") == [("complete",)]


def kept_texts(folder: Path, address: str, texts: list[str]) -> list[str]:
    with patch.dict(os.environ, {"PERSPECTIVE_API_KEY": KEY}):
        identity = PerspectiveBackend(BackendOptions(base_url=address)).identity
    requests = [Toxicity(text, ATTRIBUTES) for text in texts]
    with open_cache(folder) as cache:
        found = cache.get_many([request_key(identity, ask) for ask in requests], requests)
    return [text for text, answer in zip(texts, found, strict=True) if answer is not None]


def job(folder: Path, data_dir: Path, address: str) -> ProfileJob:
    scorer = BackendOptions(base_url=address, timeout=1.0, concurrency=200)
    return ProfileJob(
        profilers=("toxicity",),
        backend=varied.NAME,
        backend_options=BackendOptions(),
        data=DataOptions(data_dir=data_dir, limit=25),
        options=ProfilerOptions(toxicity_samples=8),
        db=folder / "a.db",
        cache_dir=folder,
        scorer=ScorerChoice("perspective", scorer),
    )


@pytest.mark.slow
def test_faults_change_no_number(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", KEY)
    varied.register()
    calm, stormy = tmp_path / "calm", tmp_path / "stormy"
    calm.mkdir()
    stormy.mkdir()
    with serve(PerspectiveServer().app()) as address:
        run_profile(job(calm, data_dir, address), lambda label, progress: None)
    faults = inject_faults(0.05)
    server = PerspectiveServer(faults=faults)
    with serve(server.app()) as address:
        run_profile(job(stormy, data_dir, address), lambda label, progress: None)
    assert len(faults.met) >= 9
    assert len(server.scored) == 25 * 7
    assert rows(stormy / "a.db", METRICS) == rows(calm / "a.db", METRICS)


def test_dry_run_counts_what_is_still_to_be_asked(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSPECTIVE_API_KEY", KEY)
    varied.register()
    server = PerspectiveServer()
    with serve(server.app()) as address:
        once = job(tmp_path, data_dir, address)
        before = plan_profile(once)
        run_profile(once, lambda label, progress: None)
        asked = len(server.arrivals)
        after = plan_profile(once)
        more = plan_profile(replace(once, options=ProfilerOptions(toxicity_samples=9)))
    assert len(server.arrivals) == asked
    counts = [[(each.requests, each.cached) for each in plans] for plans in (before, after, more)]
    assert counts == [
        [(200, 0), (200, 0)],
        [(200, 200), (175, 175)],
        [(225, 200), (225, 0)],
    ]


@pytest.mark.slow
def test_refused_key_is_one_line_and_no_key_is_ever_written(data_dir: Path, tmp_path: Path) -> None:
    secret = "a-wrong-key-that-nobody-may-see"
    arguments = (
        "profile", "--backend", "varied", "--profilers", "toxicity", "--data-dir", data_dir,
        "--limit", 5, "--toxicity-samples", 2,
    )  # fmt: skip
    with serve(PerspectiveServer().app()) as address:
        refused = run(tmp_path, address, *arguments, key=secret)
        traced = run(tmp_path, address, *arguments, "--debug", key=secret)
        good = run(tmp_path, address, *arguments, "--debug")
    assert refused.returncode == 1
    assert refused.stderr.strip().splitlines()[-1].startswith("llmprof: error:")
    assert "PERSPECTIVE_API_KEY" in refused.stderr
    assert traced.returncode != 0 and "Traceback" in traced.stderr
    assert good.returncode == 0, good.stderr
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    said = "".join(done.stdout + done.stderr for done in (refused, traced, good))
    for key in (secret, KEY):
        assert key.encode() not in written
        assert key not in said
    # What the model wrote before the key was refused is kept.
    assert re.search(r"real_toxicity_prompts: 10/10 done, (?!0)\d+ cached", good.stderr)


@pytest.mark.slow
def test_score_a_file_and_read_the_scores_back(data_dir: Path, tmp_path: Path) -> None:
    recorded = data_dir / "perspective_recorded" / "scores.jsonl"
    lines = [json.loads(line) for line in recorded.read_text(encoding="utf-8").splitlines()]
    texts = [each["text"] for each in lines[:20]] + ["", "þú", "é" * 20_000]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps({"response": text}) + "\n" for text in texts))
    output = tmp_path / "scores.jsonl"
    server = PerspectiveServer(recorded)
    with serve(server.app()) as address:
        done = run(tmp_path, address, "score", file, "--output", output)
        again = run(tmp_path, address, "score", file, "--quiet")
    assert (done.returncode, again.returncode) == (0, 0), done.stderr + again.stderr
    assert set(server.scored.values()) == {1}
    assert again.stdout == output.read_text(encoding="utf-8")
    found = [json.loads(line) for line in again.stdout.splitlines()]
    assert [each["text"] for each in found] == texts
    for line, expected in zip(found, lines[:20], strict=False):
        assert {name: line[name] for name in ATTRIBUTES} == {
            name: expected[name] for name in ATTRIBUTES
        }
    assert [each.get("unscored") for each in found[20:]] == [
        "EMPTY",
        "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE",
        "COMMENT_TOO_LONG",
    ]
    mean = sum(each["TOXICITY"] for each in lines[:20]) / 20
    where = "WHERE metric = 'mean_toxicity:perspective' AND \"group\" = 'overall'"
    values = rows(tmp_path / "a.db", f"SELECT value, n, n_total FROM metrics {where}")
    assert values[0] == (pytest.approx(mean), 20, 23)
    assert rows(tmp_path / "a.db", "SELECT DISTINCT command FROM runs") == [("score",)]
    imported = subprocess.run(
        [
            sys.executable, "-m", "llmprof", "score", str(file), "--quiet",
            "--toxicity-scorer", "recorded", "--toxicity-model", f"perspective={output}",
            "--db", str(tmp_path / "b.db"), "--cache-dir", str(tmp_path / "b"),
        ],
        capture_output=True, text=True, env=environment(),
    )  # fmt: skip
    assert imported.returncode == 0, imported.stderr
    copies = [json.loads(line) for line in imported.stdout.splitlines()]
    assert [each.get("TOXICITY") for each in copies] == [each.get("TOXICITY") for each in found]
    assert copies[-1]["unscored"] == "NotRecorded"


@pytest.mark.slow
def test_real_small_model(data_dir: Path, fresh_cache: Path) -> None:
    server = PerspectiveServer()
    with serve(server.app()) as address:
        done = run(
            fresh_cache, address, "profile", "--profilers", "toxicity", "--data-dir", data_dir,
            "--limit", 3, "--toxicity-samples", 4, "--max-new-tokens", 8, "--device", "cpu",
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    samples = rows(fresh_cache / "a.db", "SELECT response FROM samples")
    assert len(samples) == 12
    assert len({text for (text,) in samples}) > 6
    assert {text for (text,) in samples if str(text).strip()} == set(server.scored)
