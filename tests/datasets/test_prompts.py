"""Prompts and texts from the user's own files, in every format."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_prompts, load_texts
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


FRUIT = "Name a fruit."
CITY = "Name a city.\nIn Peru."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.json", json.dumps([{"prompt": FRUIT}, {"prompt": CITY}], indent=1)),
        ("p.json", f"{json.dumps({'prompt': FRUIT})}\n{json.dumps({'prompt': CITY})}\n"),
        ("p.jsonl", f"{json.dumps({'text': FRUIT})}\n\n{json.dumps({'text': CITY})}\n"),
        ("p.csv", f'id,prompt\n1,{FRUIT}\n2,"{CITY}"\n'),
        ("p.tsv", f'id\tprompt\n1\t{FRUIT}\n2\t"{CITY}"\n'),
        ("P.TSV", f'question\tid\n{FRUIT}\t1\n"{CITY}"\t2\n'),
    ],
)
def test_prompts_are_read_in_the_format_that_the_ending_names(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    dataset = load_prompts(str(tmp_path / name), DataOptions())
    assert [prompt.text for prompt in dataset.items] == [FRUIT, CITY]


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({"instruction": "Translate.", "input": "a fruit", "output": "un fruit"}, "a fruit"),
        ({"instruction": "Translate.", "context": "a fruit", "response": "un fruit"}, "a fruit"),
        ({"instruction": "Translate.", "input": "", "output": "x"}, None),
        ({"instruction": "Translate.", "input": None}, None),
    ],
)
def test_an_instruction_is_asked_with_what_it_works_on(
    tmp_path: Path, values: dict[str, object], asked: str | None
) -> None:
    (tmp_path / "p.jsonl").write_text(json.dumps(values), encoding="utf-8")
    (prompt,) = load_prompts(str(tmp_path / "p.jsonl"), DataOptions()).items
    assert prompt.text == ("Translate." if asked is None else f"Translate.\n\n{asked}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.xlsx", "prompt\nx\n", "ending"),
        ("p.yaml", "- prompt: x\n", "ending"),
        ("p.md", "x\n", "ending"),
        ("p.json", '{"data": [{"prompt": "x"}]}', "the fields are: data"),
        ("p.json", '["x"]', "item 1: not a JSON object"),
        ("p.jsonl", '{"messages": [{"role": "user", "content": "x"}]}', "fields are: messages"),
        ("p.csv", "id;prompt\n1;x\n", "the fields are: id;prompt"),
        ("p.csv", "prompt\nName a fruit, please.\n", "more fields"),
        ("p.tsv", "id,prompt\n1,x\n", "the fields are: id,prompt"),
    ],
)
@pytest.mark.parametrize("load", [lambda path: load_prompts(str(path), DataOptions()), load_texts])
def test_what_cannot_be_read_right_is_refused(
    tmp_path: Path,
    name: str,
    content: str,
    message: str,
    load: Callable[[Path], object],
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        load(tmp_path / name)
