"""The list of runs tells them apart."""

from pathlib import Path

import pytest

from llmprof.console.listings import print_runs
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
