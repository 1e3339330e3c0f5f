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
