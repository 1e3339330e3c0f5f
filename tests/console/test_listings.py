"""The list of runs tells them apart."""

from pathlib import Path

import pytest

from llmprof.console.listings import print_run_details, print_runs
from llmprof.jobs.runner import open_run
from llmprof.results import ProfileResult, RunStart, Store, Work
from tests.report.databases import add_run, pairs, texts


def test_runs_of_one_model_differ_by_how_it_was_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "a.db"
    add_run(db, "m", pairs([1.0]), texts([1.0]), identity={"dtype": "fp32", "quantization": "none"})
    add_run(db, "m", pairs([1.0]), identity={"dtype": "bf16", "quantization": "4bit"})
    add_run(db, "m")
    print_runs(db)
    hosted, four_bit, full = (
        line.split("complete")[1].split("20")[0].split()
        for line in capsys.readouterr().out.splitlines()
        if "complete" in line
    )
    assert hosted == ["m", "made", "-"]
    assert four_bit == ["m", "made", "bf16", "4bit", "crows_pairs"]
    assert full == ["m", "made", "fp32", "crows_pairs,", "textual"]


@pytest.mark.parametrize("width", [60, 80, 160])
def test_no_column_is_lost_on_a_narrow_terminal(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    db = tmp_path / "a.db"
    add_run(db, "lab/model", pairs([1.0]), texts([1.0]), identity={"dtype": "bf16"})
    monkeypatch.setattr("llmprof.console.tables._PIPE_WIDTH", width)
    print_runs(db)
    lines = capsys.readouterr().out.splitlines()
    words = {word for line in lines for word in line.split()}
    assert words >= {"status", "complete", "lab/model", "made", "bf16", "crows_pairs,", "textual"}
    assert words >= {"id", "model", "backend", "profiles", "started", "(UTC)", "work"}
    assert max(map(len, lines)) <= width
    (id,) = {word for word in words if word.startswith("20") and "Z-" in word}
    assert all(line.split()[0] == id for line in lines if "complete" in line or ":" in line)


def test_details_of_a_run_name_its_failures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = tmp_path / "a.db"
    work = Work(2, 0, 1, 0, 0, 1.0, {"HTTP400": "the server's own words"})
    result = ProfileResult("textual", "1", "d", "x", "0" * 64, False, 2, [], [], work)
    with Store(db) as store, open_run(store, RunStart("profile", "m", "b", {}, 0, {})) as run:
        run.save(result)
    print_run_details(db, "")
    shown = capsys.readouterr().out
    assert "HTTP400" in shown
    assert "the server's own words" in shown
