"""Loaders of multiple-choice questions: the Hub's shapes, the user's file, broken lines."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import DataOptions, load_multiple_choice
from llmprof.errors import DataError, DataNotFoundError, UnknownNameError

# In the shape of the two parts of the Hub's file.
ACTIVITY = {
    "ind": 24,
    "activity_label": "Roof repair",
    "ctx_a": "A man is on a roof.",
    "ctx_b": "he",
    "ctx": "A man is on a roof. he",
    "endings": ["is laughing.", "wraps a pipe in foil.", "takes off a tile.", "sleeps."],
    "split": "val",
    "label": "2",
}
WIKIHOW = {
    "ind": 25,
    "activity_label": "Home",
    "ctx_a": "[header] How to sew [title] Get a needle. [step] It must be sharp.",
    "ctx_b": "",
    "endings": ["[substeps] Buy one.", "Use a nail. [title] Or not.", "Stop.", "Wait. [step] Go."],
    "split": "val",
    "label": "0",
}
OBQA = {
    "id": "1",
    "question_stem": "Fog is likely near",
    "choices": {"text": ["a marsh", "a desert"], "label": ["A", "B"]},
    "answerKey": "A",
}
OWN = {"question": "Two and two?", "choices": ["three", "four"], "answer": 1}


def folder(path: Path, name: str, *rows: dict[str, Any]) -> DataOptions:
    file = path / name
    file.parent.mkdir(exist_ok=True, parents=True)
    file.write_text("\n".join(json.dumps(record) for record in rows), encoding="utf-8")
    return DataOptions(data_dir=path)


def test_hellaswag_is_prepared_as_lm_eval_does(tmp_path: Path) -> None:
    import datasets
    from lm_eval.tasks.hellaswag.utils import process_docs

    rows = [ACTIVITY, {**WIKIHOW, "ctx": ""}]
    (ours,) = load_multiple_choice(
        "hellaswag", folder(tmp_path, "hellaswag/validation.jsonl", *rows)
    )
    theirs = process_docs(datasets.Dataset.from_list(rows))
    for item, document in zip(ours.items, theirs, strict=True):
        assert item.question == document["query"]
        assert list(item.options) == document["choices"]
        assert item.answer == document["gold"]
    assert ours.items[0].question == "Roof repair: A man is on a roof. He"
    assert ours.items[1].question == "Home: How to sew. Get a needle. It must be sharp."


def test_parquet_of_the_hub_is_read_like_the_lines(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    from llmprof.datasets.files import read_file
    from llmprof.datasets.multiple_choice import _openbookqa
    from llmprof.datasets.parsing import read_records

    path = tmp_path / "test.parquet"
    parquet.write_table(pa.Table.from_pylist([OBQA]), path)
    (record,) = read_records(read_file(path, "hub"))
    (lines,) = load_multiple_choice("openbookqa", folder(tmp_path, "openbookqa/test.jsonl", OBQA))
    assert (_openbookqa(record),) == lines.items


def test_real_openbookqa(data_dir: Path) -> None:
    (dataset,) = load_multiple_choice("openbookqa", DataOptions(data_dir=data_dir))
    assert len(dataset.items) == 500
    assert {len(item.options) for item in dataset.items} == {4}
    assert {item.answer for item in dataset.items} == {0, 1, 2, 3}


def test_default_is_what_a_folder_has_and_says_what_it_lacks(tmp_path: Path) -> None:
    options = folder(tmp_path, "openbookqa/test.jsonl", OBQA)
    (only,) = load_multiple_choice(None, options)
    assert only.name == "openbookqa"
    assert only.source.endswith("(not there: hellaswag/validation.jsonl)")
    folder(tmp_path, "hellaswag/validation.jsonl", ACTIVITY)
    both = load_multiple_choice(None, options)
    assert [dataset.name for dataset in both] == ["hellaswag", "openbookqa"]
    assert not any("not there" in dataset.source for dataset in both)


def test_missing_files_are_refused_when_named_or_when_there_is_none(tmp_path: Path) -> None:
    options = folder(tmp_path, "openbookqa/test.jsonl", OBQA)
    with pytest.raises(DataNotFoundError, match="validation"):
        load_multiple_choice("hellaswag", options)
    with pytest.raises(DataNotFoundError, match="validation"):
        load_multiple_choice(None, DataOptions(data_dir=tmp_path / "empty"))
    with pytest.raises(UnknownNameError, match="hellaswag, openbookqa"):
        load_multiple_choice("nonsense", options)


@pytest.mark.parametrize("answer", [1, "1", "B"])
def test_own_file(tmp_path: Path, answer: int | str) -> None:
    folder(tmp_path, "quiz.jsonl", {**OWN, "answer": answer}, {**OWN, "id": "second"})
    (dataset,) = load_multiple_choice(str(tmp_path / "quiz.jsonl"), DataOptions(limit=5))
    assert dataset.name == "quiz"
    assert [item.answer for item in dataset.items] == [1, 1]
    assert [item.id for item in dataset.items] == ["1", "second"]


@pytest.mark.parametrize(
    ("name", "record", "words"),
    [
        ("quiz.jsonl", {**OWN, "question": ""}, "'question' is missing"),
        ("quiz.jsonl", {**OWN, "choices": ["four", " "]}, "'choices' has an empty entry"),
        ("quiz.jsonl", {**OWN, "choices": ["four"]}, "'choices' has 1 options"),
        ("quiz.jsonl", {**OWN, "choices": "four"}, "'choices' is not a list"),
        ("quiz.jsonl", {**OWN, "answer": 2}, "'answer' is '2', not a position from 0 to 1"),
        ("quiz.jsonl", {**OWN, "answer": "C"}, "'answer' is 'C'"),
        ("quiz.jsonl", {"question": "Q", "choices": ["a", "b"]}, "'answer' is missing"),
        ("openbookqa", {**OBQA, "answerKey": "E"}, "'answerKey' is 'E', not one of A, B"),
        ("openbookqa", {**OBQA, "choices": {"text": ["a", "b"]}}, "'choices.label' is missing"),
        ("openbookqa", {**OBQA, "choices": {"text": ["a", ""], "label": ["A", "B"]}}, "empty"),
        ("openbookqa", {**OBQA, "choices": {"text": ["a", "b"], "label": ["A"]}}, "1 entries"),
        ("openbookqa", {**OBQA, "choices": ["a", "b"]}, "'choices' is not an object"),
        ("hellaswag", {**ACTIVITY, "label": "4"}, "'label' is '4'"),
        ("hellaswag", {**ACTIVITY, "label": ""}, "'label' is missing"),
        ("hellaswag", {**ACTIVITY, "endings": ["a", ""]}, "'endings' has an empty entry"),
        ("hellaswag", {**ACTIVITY, "ctx_b": None}, "'ctx_b' is not text"),
        ("hellaswag", {**ACTIVITY, "ctx_a": None}, "'ctx_a' is missing"),
    ],
)
def test_broken_field_is_named_with_file_and_line(
    tmp_path: Path, name: str, record: dict[str, Any], words: str
) -> None:
    file = {"openbookqa": "openbookqa/test.jsonl", "hellaswag": "hellaswag/validation.jsonl"}
    path = file.get(name, name)
    good = {"openbookqa": OBQA, "hellaswag": ACTIVITY}.get(name, OWN)
    options = folder(tmp_path, path, good, record)
    with pytest.raises(DataError) as caught:
        load_multiple_choice(str(tmp_path / name) if name == path else name, options)
    assert str(tmp_path / path) in str(caught.value)
    assert "line 2" in str(caught.value)
    assert words in str(caught.value)


def test_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no questions"):
        load_multiple_choice("openbookqa", folder(tmp_path, "openbookqa/test.jsonl"))
