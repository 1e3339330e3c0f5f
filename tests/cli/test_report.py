"""`report`, `compare` and `runs` as a user types them, on a scripted model."""

import json
import re
from pathlib import Path

import pytest

from tests.command_line import llmprof as run

PROFILE = ("profile", "--backend", "scripted", "--data", "builtin", "--quiet")
SHORT = ("--profilers", "textual,crows_pairs", "--limit", "6")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models profiled in one way, and the second once more with longer completions."""
    made = tmp_path_factory.mktemp("reports")
    for model, *more in (("first",), ("second",), ("third", "--max-new-tokens", "16")):
        done = run(*PROFILE, model, *SHORT, *more, "--cache-dir", made / "cache", cwd=made)
        assert (done.returncode, done.stderr) == (0, "")
    return made


def test_one_run(folder: Path) -> None:
    done = run("report", "first", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith("first on scripted, run ")
    assert "demonstration data" in done.stdout
    assert "change" not in done.stdout


def test_compare_says_which_is_the_baseline_and_what_it_left_out(folder: Path) -> None:
    done = run("compare", "first", "third", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "first (baseline)" in done.stdout
    assert re.search(r"stereotype_score +\S+ .* 0 +-\S+ to \S+ +0%", done.stdout)
    assert "left out: textual on dolly200_test of third" in done.stdout
    assert "max_new_tokens 16, not 128" in done.stdout
    same = run("report", "third", "--baseline", "first", cwd=folder)
    assert same.stdout == done.stdout


def test_every_format_by_its_ending(folder: Path, tmp_path: Path) -> None:
    for ending, beginning in (
        ("txt", b""),
        ("md", b"# Profile"),
        ("json", b"{"),
        ("csv", b"run_id,"),
        ("parquet", b"PAR1"),
    ):
        output = tmp_path / f"report.{ending}"
        arguments = ("report", "second", "third", "--baseline", "first", "--output", output)
        done = run(*arguments, cwd=folder)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert output.read_bytes().startswith(beginning)
        # What the file has no place for is told beside it.
        assert ("left out" in done.stderr) == (ending in ("csv", "parquet"))
    content = json.loads((tmp_path / "report.json").read_bytes())
    assert [each["label"] for each in content["runs"]] == ["first", "second", "third"]
    assert content["baseline"] == 0


def test_runs_and_all_about_one(folder: Path) -> None:
    listed = run("runs", cwd=folder).stdout
    assert all(name in listed for name in ("first", "second", "third"))
    shown = run("runs", "show", "third", cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"options\.max_new_tokens +16", shown.stdout)
    assert re.search(r"crows_pairs +crows_pairs +6 +12 +12 +0 +0 +0", shown.stdout) is None
    assert re.search(r"crows_pairs +crows_pairs +6 +12 +\d+ +0 +0 +0 +[\d.]+", shown.stdout)
    assert re.search(r"llmprof +\d", shown.stdout)
    elsewhere = run("runs", "--db", folder / "llmprof.db", "show", cwd=folder.parent)
    assert "third" in elsewhere.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["report", "frist"], 2, "did you mean first"),
        (["report", "first", "--changed"], 2, "--changed needs a run to compare with"),
        (["report", "first", "--baseline", "nobody"], 2, "no run or model 'nobody'"),
        (["compare", "first", "nobody"], 2, "no run or model 'nobody'"),
        (["runs", "show", "nobody"], 2, "no run or model 'nobody'"),
        (["report", "--format", "xml"], 2, "unknown format 'xml'"),
        (["report", "--output", "report.xml"], 2, "cannot infer a format"),
        (["report", "--format", "parquet"], 2, "--output FILE"),
        (["report", "--output", "/proc/report.md"], 1, "cannot write /proc/report.md"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_input_is_one_clear_line(
    folder: Path, arguments: list[str], code: int, words: str
) -> None:
    done = run(*arguments, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_runs_yet(tmp_path: Path) -> None:
    assert "llmprof profile" in run("report", cwd=tmp_path).stderr
