"""`profile --series`: the checkpoints of a training, each once, in the order of their steps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from llmprof.results import Store
from llmprof.results.series import SeriesPlace, add_to_series, read_series
from tests.command_line import llmprof as run
from tests.report.databases import add_run, pairs
from tests.tiny_models import save_llama

SCRIPTED = ("--backend", "scripted", "--data", "builtin", "--profilers", "crows_pairs")


def steps(folder: Path, name: str) -> list[tuple[int, str]]:
    with Store(folder / "llmprof.db", read_only=True) as store:
        return read_series(store, name)


def profile(folder: Path, *arguments: object) -> Any:
    return run("profile", *arguments, *SCRIPTED, "--cache-dir", folder / "cache", cwd=folder)


def test_checkpoints_are_profiled_once_in_order_of_their_steps(tmp_path: Path) -> None:
    done = profile(tmp_path, "out/checkpoint-10", "out/checkpoint-100", "out/checkpoint-20",
                   "--series", "tuning")  # fmt: skip
    assert done.returncode == 0, done.stderr
    shown = [line.split(":")[0] for line in done.stdout.splitlines()]
    assert shown == ["step 10", "step 20", "step 100"]
    before = steps(tmp_path, "tuning")
    assert [step for step, _ in before] == [10, 20, 100]
    more = profile(tmp_path, "out/checkpoint-10", "out/checkpoint-20", "out/checkpoint-100",
                   "out/checkpoint-200", "--series", "tuning")  # fmt: skip
    assert more.returncode == 0, more.stderr
    assert steps(tmp_path, "tuning")[:3] == before
    runs = run("sql", "SELECT count(*) AS n FROM runs", "--format", "json", cwd=tmp_path)
    assert json.loads(runs.stdout) == [{"n": 4}]


def test_a_step_is_named_where_no_folder_says_it(tmp_path: Path) -> None:
    refused = profile(tmp_path, "base", "--series", "tuning")
    assert refused.returncode == 2
    assert "base does not say its training step" in refused.stderr
    assert profile(tmp_path, "base", "--series", "tuning", "--step", 0).returncode == 0
    assert profile(tmp_path, "step-3", "--series", "tuning").returncode == 0
    assert [step for step, _ in steps(tmp_path, "tuning")] == [0, 3]


def test_a_trainer_s_own_count_wins_over_the_folder_s_name(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-7").mkdir()
    (tmp_path / "checkpoint-7" / "trainer_state.json").write_text('{"global_step": 9}')
    assert profile(tmp_path, "checkpoint-7", "--series", "tuning").returncode == 0
    assert [step for step, _ in steps(tmp_path, "tuning")] == [9]


def test_a_dry_run_counts_every_checkpoint(tmp_path: Path) -> None:
    done = profile(tmp_path, "step-1", "step-2", "--series", "tuning", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "step 1: dry run" in done.stdout and "step 2: dry run" in done.stdout
    assert not (tmp_path / "llmprof.db").exists()


def test_the_report_of_a_series(tmp_path: Path) -> None:
    db = tmp_path / "llmprof.db"
    for step, share in enumerate((10, 20, 40)):
        run_id = add_run(db, f"step-{step}", pairs([1.0] * share + [0.0] * (50 - share)))
        with Store(db) as store:
            add_to_series(store, SeriesPlace("tuning", 10 * step), run_id)
    done = run("report", "--series", "tuning", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"stereotype_score +▁▃█ +20 +80 +\+60 ▲ +[\d.]+ to [\d.]+ +50", done.stdout)
    output = tmp_path / "report.json"
    assert run("report", "--series", "tuning", "-o", output, cwd=tmp_path).returncode == 0
    content = json.loads(output.read_text())
    assert (content["series"], content["steps"], content["baseline"]) == ("tuning", [0, 10, 20], 0)
    assert [each["label"] for each in content["runs"]] == ["step 0", "step 10", "step 20"]
    page = tmp_path / "report.html"
    assert run("report", "--series", "tuning", "-o", page, cwd=tmp_path).returncode == 0
    assert "Course of the training" in page.read_text()
    assert "<h1>Training tuning: 3 steps</h1>" in page.read_text()
    unknown = run("report", "--series", "tunin", cwd=tmp_path)
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert "did you mean tuning" in unknown.stderr
    both = run("report", "step-0", "--series", "tuning", cwd=tmp_path)
    assert both.returncode == 2 and "cannot be combined with runs" in both.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["step-1", "step-2"], "--series"),
        (["step-1", "--step", "3"], "--step needs a series"),
        (["step-1", "a/step-1", "--series", "x"], "both at step 1"),
        (["step-1", "step-2", "--series", "x", "--step", "3"], "--step applies to one model"),
        (["step-1", "--series", ""], "give its name"),
        (["step-1", "--series", "a\nb"], "give its name"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = profile(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place, name in enumerate(("runA", "runB")):
        save_llama(tmp_path / name / "checkpoint-500", seed=place)
        arguments = ("--data", "builtin", "--profilers", "crows_pairs", "--limit", "4")
        done = run("profile", f"{name}/checkpoint-500/", *arguments,
                   "--cache-dir", tmp_path / "cache", cwd=tmp_path)  # fmt: skip
        assert done.returncode == 0, done.stderr
    one = run("report", "runA/checkpoint-500", cwd=tmp_path)
    assert one.stdout.startswith("runA/checkpoint-500 on huggingface"), one.stderr
    both = run("report", "checkpoint-500", "--format", "json", cwd=tmp_path)
    labels = [each["label"] for each in json.loads(both.stdout)["runs"]]
    assert labels == ["runA/checkpoint-500", "runB/checkpoint-500"]
    compared = run("compare", "runA/checkpoint-500", "./runB/checkpoint-500/", cwd=tmp_path)
    assert compared.returncode == 0, compared.stderr
