"""The file is written whole, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from llmprof.errors import OutputError, UsageError
from llmprof.jobs.select import training_file
from llmprof.jobs.select.training_file import check_training_file, write_lines

LINES: list[dict[str, Any]] = [
    {"prompt": "Où?\u2028", "provenance": {"model": "a", "scores": {"mtld": 2.0, "smog": None}}},
    {"prompt": "b", "provenance": {"model": "b", "scores": {"mtld": None, "smog": None}}},
]


def test_json_lines_and_parquet_read_back(tmp_path: Path) -> None:
    for name in ("a.jsonl", "a.parquet"):
        check_training_file(tmp_path / name)
        write_lines(tmp_path / name, LINES)
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.split("\n")[:-1]] == LINES
    table = parquet.read_table(tmp_path / "a.parquet", use_threads=False)
    assert table.to_pylist() == LINES
    assert str(table.schema.field("provenance").type.field("scores").type.field("smog").type) == (
        "double"
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "a.parquet"]


def test_interrupted_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("old")

    def interrupted(path: Path, lines: object) -> None:
        path.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setitem(training_file._WRITERS, ".jsonl", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_lines(file, LINES)
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_file_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"use \.jsonl or \.parquet"):
        check_training_file(tmp_path / "a.csv")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OutputError, match="it is a folder"):
        check_training_file(tmp_path / "folder.jsonl")
    with pytest.raises(OutputError, match="No such file"):
        check_training_file(tmp_path / "missing" / "a.jsonl")


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_training_file(tmp_path / "a.jsonl")
    assert list(tmp_path.iterdir()) == []


def test_no_score_is_ever_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_lines(tmp_path / "a.jsonl", [{"scores": {"mtld": float("nan")}}])
