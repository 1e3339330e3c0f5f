"""The command line as a user meets it: fast help, one-line errors, exit codes."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from llmprof.cli.app import app
from llmprof.errors import DISTRIBUTION
from tests.command_line import llmprof

HEAVY = (
    "torch",
    "transformers",
    "spacy",
    "lm_eval",
    "scipy",
    "numpy",
    "pandas",
    "yaml",
    "sqlite_utils",
    "rich.live",
    "httpx",
    "cohere",
)


def run(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LLMPROF_") and name != "HF_HUB_OFFLINE"
    }
    return subprocess.run(
        [sys.executable, "-m", "llmprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **environment},
    )


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['llmprof', '--help']\n"
        "from llmprof.cli.start import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_report_imports_no_model_code(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    made = run(
        *("profile", "--backend", "scripted", "--data", "builtin", "--profilers", "crows_pairs"),
        *("--db", db, "--cache-dir", tmp_path, "--quiet"),
    )
    assert (made.returncode, made.stderr, made.stdout) == (0, "", "")
    script = (
        f"import sys; sys.argv = ['llmprof', 'report', '--db', {str(db)!r}]\n"
        "from llmprof.cli.start import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print([name for name in ('torch', 'transformers', 'spacy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stereotype_score" in done.stdout
    assert "demonstration" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it, groups before what is in them."""
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(app)))
LEAVES = [path for path, command in COMMANDS.items() if not hasattr(command, "commands")]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_ends_with_examples_that_the_command_takes(
    path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # Restored afterwards: `--offline` sets it.
    help_text = inspect.cleandoc(COMMANDS[path].help)
    examples = help_text.partition("\n\nExamples:\n\n")[2].replace("\n\n", "\n").splitlines()
    assert examples
    for example in examples:
        assert example.startswith("    llmprof")
        words = tuple(shlex.split(example.split(" > ")[0])[1:])
        assert words[: len(path)] == path
        named = next(words[:end] for end in (2, 1) if words[:end] in COMMANDS)
        # Parsed as it would be, but not run.
        COMMANDS[named].make_context(named[-1], list(words[len(named) :]))


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_that_fits_80_columns(path: tuple[str, ...]) -> None:
    done = llmprof(*path, "--help", COLUMNS="80")
    shown = done.stdout
    assert done.returncode == 0
    assert "Usage" in shown
    assert not path or not COMMANDS[path].get_short_help_str().endswith("...")
    help_text = inspect.cleandoc(COMMANDS[path].help)
    for line in filter(None, help_text.splitlines()):
        assert re.search(rf"^ +{re.escape(line)} *$", shown, re.M), f"{line!r} is wrapped"
    for option in COMMANDS[path].params:
        names = option.opts if option.param_type_name == "option" else [option.metavar]
        assert all(re.search(rf" {re.escape(name)} ", shown) for name in names), option.name
    assert not re.search(r"\d{6}", re.sub(r"20\d{6}", "", shown))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_option_says_what_it_is(path: tuple[str, ...]) -> None:
    for option in COMMANDS[path].params:
        assert option.help and option.help.strip().endswith((".", ")")), option.name


def test_version_is_that_of_the_installed_distribution() -> None:
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"llmprof {version(DISTRIBUTION)}\n"


def test_no_arguments_print_the_help() -> None:
    assert run().stdout == run("--help").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "No such command"),
        (["profile", "--nonsense"], 2, "No such option: --nonsense"),
        (["profile", "--limit", "0"], 2, "--limit"),
        (["profile", "--limit", "many"], 2, "--limit"),
        (["profile", "--limit", "1000000001"], 2, "the most is 1000000000"),
        (["profile", "--seed", str(2**63)], 2, "the most is 9223372036854775807"),
        (["benchmark", "--seed", str(2**32)], 2, "the most is 4294967295"),
        (["profile", "--profilers", "textual,nonsense"], 2, "unknown profiler 'nonsense'"),
        (["profile", "--profilers", ","], 2, "no profiler named"),
        (["profile", "--backend", "nonsense"], 2, "unknown backend 'nonsense'"),
        (["profile", "--text-dataset", "nonsense"], 2, "unknown text data set"),
        (["profile", "--prompt-format", "nonsense"], 2, "unknown prompt format"),
        (["profile", "--profilers", "seat", "--pooling", "max"], 2, "unknown pooling 'max'"),
        (["export", "stereoset"], 2, "--output"),
        (["export", "stereoset", "--output", "a", "--db", "/no/such.db"], 1, "llmprof profile"),
        (["profile", "--protocol", "nonsense"], 2, "unknown protocol 'nonsense'"),
        (
            ["profile", "--profilers", "calibration", "--calibration-data", "nonsense"],
            2,
            "unknown calibration data 'nonsense'",
        ),
        (["profile", "--profilers", "bbq", "--data", "/no/such/folder"], 1, "Age.jsonl"),
        (["profile", "--data", "/no/such/folder"], 1, "/no/such/folder"),
        (["profile", "--config", "/no/such.toml"], 2, "/no/such.toml"),
        # Before the model is looked for, which may take long.
        (
            [
                *("profile", "./none", "--backend", "huggingface"),
                *("--profilers", "toxicity", "--toxicity-scorer", "nonsense"),
            ],
            2,
            "unknown scorer 'nonsense'",
        ),
        (["report", "--db", "/no/such.db"], 1, "llmprof profile"),
        (["runs", "--db", "/no/such.db"], 1, "llmprof profile"),
        (["verify", "--db", "/no/such.db"], 1, "llmprof profile"),
        (["sql", "SELECT 1", "--db", "/no/such.db"], 1, "llmprof profile"),
        (["sql", "SELECT 1", "--format", "xml"], 2, "unknown format 'xml'"),
        (["figures", "--venue", "x"], 2, "'--venue': unknown venue 'x'; choose one of: acl, "),
        (["figures", "--format", "eps"], 2, "'--format': unknown format 'eps'; choose one of: pdf"),
        (["report", "--seeds", "never"], 2, "'--seeds': unknown seeds 'never'; choose one of: "),
        (["diff", "a", "b", "--format", "x"], 2, "'--format': unknown format 'x'; choose one of: "),
        (["sql", "nonsense"], 2, "unknown recipe 'nonsense'"),
        (["sql", "SELECT 1", "--param", "x"], 2, "give NAME=VALUE"),
        (["cache", "prune"], 2, "--older-than"),
        (["cache", "info", "--cache-dir", "/proc/none"], 1, "cannot read the cache"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    if arguments[0] == "profile" and "--data" not in arguments:
        arguments = [*arguments, "--data", "builtin"]
    if arguments[0] == "profile" and "--backend" not in arguments:
        arguments = [*arguments, "--backend", "scripted"]
    done = llmprof(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("llmprof: error: ")
    assert done.stdout == ""


@pytest.mark.parametrize("group", ["bridge", "cache", "export"])
def test_group_without_a_command_shows_its_help(group: str) -> None:
    done = llmprof(group)
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.strip() == llmprof(group, "--help").stdout.strip()


def test_output_that_is_closed_or_not_utf8_is_no_error(tmp_path: Path) -> None:
    made = run(
        *("profile", "日本語", "--backend", "scripted", "--data", "builtin", "--limit", "2"),
        *("--profilers", "crows_pairs", "--cache-dir", tmp_path / "cache", "--quiet"),
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    for encoding in ("latin-1", "cp1252", "ascii"):
        shown = run("runs", cwd=tmp_path, PYTHONIOENCODING=encoding)
        assert (shown.returncode, shown.stderr) == (0, "")
        assert r"\u65e5\u672c\u8a9e" in shown.stdout
    for closed in (">&-", ">&- 2>&- <&-"):
        line = f"{shlex.quote(sys.executable)} -m llmprof report {closed}"
        ended = subprocess.run(
            line,
            shell=True,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_traceback_only_with_debug(tmp_path: Path) -> None:
    arguments = ["report", "--db", tmp_path / "no.db"]
    assert "Traceback" not in run(*arguments).stderr
    assert "Traceback" in run(*arguments, "--debug").stderr


@pytest.mark.parametrize("debug", [False, True])
def test_error_that_nobody_foresaw_is_one_line_too(tmp_path: Path, debug: bool) -> None:
    script = (
        "import sys; from llmprof.cli.start import main; from llmprof.console import listings\n"
        "def fail(*given): raise KeyError('a\\nb\\x1b[31m')\n"
        f"listings.print_runs = fail; sys.argv = {['llmprof', 'runs', *['--debug'] * debug]}\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1
    assert ("Traceback" in done.stderr) == debug
    if not debug:
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("llmprof: error: unexpected KeyError: 'a")
        assert "llmprof.cli.runs, line " in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "report --db LONG",
        "runs --db LONG",
        "profile LONG --data builtin --profilers crows_pairs",
        "profile m --backend scripted --profilers seat --data LONG",
        "score LONG --toxicity-scorer profanity",
        "profile m --backend scripted --data builtin --profilers crows_pairs --cache-dir LONG",
        "cache info --cache-dir LONG",
    ],
)
def test_a_path_that_the_system_refuses_is_one_line(tmp_path: Path, line: str) -> None:
    """Also of a file whose error no command expects: root has permissions, but no longer names."""
    done = run(*line.replace("LONG", "x" * 300).split(), cwd=tmp_path)
    assert done.returncode in (1, 2)
    last = done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert last.startswith("llmprof: error: ") and "x" * 300 in last and "; " in last


def test_results_folder_that_cannot_be_written_shows_before_any_work(tmp_path: Path) -> None:
    done = run(
        *("profile", "--backend", "scripted", "--data", "builtin", "--db", "/proc/a.db"),
        *("--cache-dir", tmp_path / "cache"),
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert not (tmp_path / "cache").exists()


def test_dry_run_asks_nothing_and_writes_no_results(tmp_path: Path) -> None:
    arguments = ["profile", "--backend", "scripted", "--data", "builtin", "--limit", "5"]
    place = ["--db", tmp_path / "a.db", "--cache-dir", tmp_path / "cache"]
    done = run(*arguments, *place, "--profilers", "crows_pairs", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("crows_pairs")[-1].split()[-5:] == ["builtin", "5", "10", "0", "10"]
    assert not (tmp_path / "a.db").exists()
    run(*arguments, *place, "--profilers", "crows_pairs")
    done = run(*arguments, *place, "--profilers", "crows_pairs", "--dry-run")
    assert done.stdout.split("crows_pairs")[-1].split()[-5:] == ["builtin", "5", "10", "10", "0"]
