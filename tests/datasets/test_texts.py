"""Texts to score, from files of every kind."""

from pathlib import Path

import pytest

from llmprof.datasets import load_texts
from llmprof.errors import DataError, DataNotFoundError


@pytest.mark.parametrize("field", ["text", "completion", "response"])
def test_json_lines(tmp_path: Path, field: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(f'{{"{field}": "one"}}\n\n{{"{field}": ""}}\n', encoding="utf-8")
    dataset = load_texts(file)
    assert [(each.id, each.text) for each in dataset.items] == [("1", "one"), ("3", "")]
    assert dataset.name == "a"


def test_csv_with_line_breaks_inside(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('id,text\n1,"one\ntwo"\n2,three\n', encoding="utf-8")
    assert [each.text for each in load_texts(file).items] == ["one\ntwo", "three"]


def test_one_a_line_and_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one\n\ntwo\nthree\n", encoding="utf-8")
    assert [(each.id, each.text) for each in load_texts(file, 2).items] == [
        ("1", "one"),
        ("3", "two"),
    ]


def test_line_without_a_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "one"}\n{"prompt": "two"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2: no text in any of the fields text, completion"):
        load_texts(file)


def test_no_texts_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(DataError, match="holds no texts"):
        load_texts(tmp_path / "a.txt")
    with pytest.raises(DataNotFoundError, match="No such file or directory; check the path"):
        load_texts(tmp_path / "b.txt")
