"""The whole experiment on a tiny model, through the real command line."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmprof.cli.start import main
from tests.jobs.benchmark.task_files import write_choice
from tests.tiny_models import save_llama

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<|endoftext|>"
    "{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)
RECIPE = "epochs = 2\nbatch_tokens = 300\nlora_rank = 4\ncheckpoint_steps = 1\n"


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny chat model."""
    folder = save_llama(tmp_path_factory.mktemp("student"))
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def line(student: Path, folder: Path, *more: object) -> list[str]:
    """The command of a small experiment whose files are all in `folder`."""
    folder.mkdir(exist_ok=True)
    (folder / "recipe.toml").write_text(RECIPE)
    arguments = (
        "inherit", "--student", student, "--data", "builtin", "--limit", 9, "--k", 2,
        "--target", "n_characters:min", "--metrics", "n_characters", "--max-new-tokens", 6,
        "--seeds", "0,1", "--recipe", folder / "recipe.toml", "--output", folder / "out",
        "--db", folder / "a.db", "--cache-dir", folder / "cache", *more,
    )  # fmt: skip
    return list(map(str, arguments))


@pytest.fixture
def llmprof(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(arguments: list[str]) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["llmprof", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def findings(db: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(db) as connection:
        return connection.execute(
            'SELECT metric, "group", value, ci_low, ci_high, n FROM metrics '
            "WHERE profiler = 'inherit' AND run_id = (SELECT max(id) FROM runs WHERE "
            "command = 'inherit' AND status = 'complete') ORDER BY 1, 2"
        ).fetchall()


Command = Callable[[list[str]], tuple[int, str, str]]


@pytest.mark.slow
def test_experiment_reports_and_the_same_line_does_nothing_again(
    student: Path, tmp_path: Path, llmprof: Command
) -> None:
    write_choice(tmp_path / "tasks")
    tasks = ("--benchmarks", "choice", "--include-path", tmp_path / "tasks")
    logs = tmp_path / "logs"
    arguments = line(student, tmp_path / "a", "--arms", "target,random,all", *tasks,
                     "--track", f"tensorboard:{logs}")  # fmt: skip
    code, shown, error = llmprof(arguments)
    assert code == 0, error
    assert "Target against random choice" in shown
    out = tmp_path / "a" / "out"
    lines = {file.name: file.read_text().splitlines() for file in (out / "data").glob("*.jsonl")}
    assert (len(lines["n_characters-min.jsonl"]), len(lines["all.jsonl"])) == (9, 18)
    lengths = {
        name: [json.loads(each)["provenance"]["scores"]["n_characters"] for each in lines[name]]
        for name in ("n_characters-min.jsonl", "all.jsonl")
    }
    every = lengths["all.jsonl"]
    pairs = zip(every[::2], every[1::2], strict=True)
    assert lengths["n_characters-min.jsonl"] == [min(pair) for pair in pairs]
    for ending in ("md", "html", "tex"):
        assert "n_characters:min" in (out / f"report.{ending}").read_text().replace("\\", "")
    found = findings(tmp_path / "a" / "a.db")
    with sqlite3.connect(tmp_path / "a" / "a.db") as connection:
        ((of_findings, config),) = connection.execute(
            "SELECT id, config FROM runs WHERE command = 'inherit'"
        ).fetchall()
    tracked = {file.stem for file in logs.glob("*/*.html")}
    assert tracked == {of_findings, *json.loads(config)["runs"].values()}
    groups = {group for _, group, *_ in found}
    assert "n_characters:min: share" in groups and "random: change" in groups
    tested = {name for name, *_ in found if name.startswith("benchmark/")}
    assert tested == {"benchmark/choice/acc", "benchmark/choice/acc_norm"}
    (data,) = [row for row in found if row[1] == "n_characters:min: data" and "n_char" in row[0]]
    assert data[2] < 0, "the shortest of two is not shorter than one"

    code, dry, error = llmprof([*arguments, "--dry-run"])
    assert code == 0, error
    asked = [each.split() for each in dry.splitlines() if "builtin" in each]
    assert asked and all("0" in words[-2:] for words in asked)
    (row,) = (each.split() for each in dry.splitlines() if each.startswith("  random "))
    assert row[-5:-3] == ["2", "2"], "both students are trained"

    code, again, error = llmprof(arguments)
    assert code == 0 and again == shown
    assert error == "", "something was asked or trained again"
    assert findings(tmp_path / "a" / "a.db") == found


# What is written when a phase is under way: candidates, data, the base's profile, a checkpoint of
# the first student, the first student, the last but one.
PHASES: dict[str, Callable[[Path], bool]] = {
    "sampling": lambda folder: any((folder / "cache").glob("responses/cache.db")),
    "profiles": lambda folder: any(folder.glob("out/data/reference.jsonl")),
    "training": lambda folder: any(folder.glob("cache/trained/*.unfinished/checkpoint-*/whole")),
    "students": lambda folder: len(list(folder.glob("cache/trained/*/llmprof.json"))) >= 1,
}


@pytest.mark.slow
def test_killed_in_each_phase_it_goes_on_to_the_same_numbers(
    student: Path, tmp_path: Path, llmprof: Command
) -> None:
    # One seed: two students, of which the first is there when the last kill comes.
    few = ("--quiet", "--seeds", "0")
    assert llmprof(line(student, tmp_path / "whole", *few))[0] == 0
    expected = findings(tmp_path / "whole" / "a.db")
    folder = tmp_path / "killed"
    arguments = line(student, folder, *few)
    killed = []
    for phase, reached in PHASES.items():
        process = subprocess.Popen(
            [sys.executable, "-m", "llmprof", *arguments], env={**os.environ}
        )
        while process.poll() is None and not reached(folder):
            time.sleep(0.01)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed.append(phase)
        process.wait()
    assert killed == list(PHASES)
    code, _, error = llmprof(arguments)
    assert code == 0, error
    assert findings(folder / "a.db") == expected


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--target", "mtdl"), "unknown metric 'mtdl' of a completion; did you mean mtld"),
        (("--target", "mtld:up"), "unknown direction 'up'"),
        (("--seeds", "0,x"), "'x' is not a seed"),
        (("--arms", "best"), "unknown 'best'"),
        (("--adapter", "here"), "--adapter and --quantize cannot be used"),
        (("--objective", "dpo", "--arms", "target,all"), "leave all out of --arms"),
        (("--include-path", "here"), "--include-path is of --benchmarks"),
        (("--student", "/nowhere/at/all"), "there is no model folder /nowhere/at/all"),
        (("--where", "n_characters < 0"), "none of 18 completions meets"),
        (("--limit", "3"), "leaves 3 examples to train on"),
        (("--prompts", "a.txt", "--text-dataset", "strategyqa"), "exclude each other"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    more: tuple[str, ...], said: str, student: Path, tmp_path: Path, llmprof: Command
) -> None:
    code, _, error = llmprof(line(student, tmp_path / "a", "--quiet", *more))
    assert code in (1, 2)
    assert said in error and len(error.splitlines()) == 1, error


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("epochs = ", "is not TOML"),
        ("epoch = 1", "unknown name 'epoch'"),
        ("epochs = 0", "epochs is 0; give 1 to"),
        ("epochs = 1.5", "give a value of type whole number"),
        ('method = "qlora"', "choose one of: lora, full"),
    ],
)
def test_a_recipe_that_is_wrong_is_one_line(
    recipe: str, said: str, student: Path, tmp_path: Path, llmprof: Command
) -> None:
    arguments = line(student, tmp_path / "a")
    (tmp_path / "a" / "recipe.toml").write_text(recipe)
    code, _, error = llmprof(arguments)
    assert code == 2
    assert said in error and len(error.splitlines()) == 1, error


def test_a_package_that_is_missing_or_untried_is_one_line(
    student: Path, tmp_path: Path, llmprof: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import PackageNotFoundError

    from llmprof.jobs.training import packages

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    for version, said in (
        (missing, "training needs the package trl"),
        (lambda name: "0.9", "0.9 is installed"),
    ):
        monkeypatch.setattr(packages, "version", version)
        code, _, error = llmprof(line(student, tmp_path / "a"))
        assert code == 1
        assert said in error and "llmprof-profiler[train]" in error
        assert len(error.splitlines()) == 1
