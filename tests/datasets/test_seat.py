"""The loader of WEAT and SEAT files, and broken files."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import DataOptions, load_seat
from llmprof.datasets.seat import DOWNLOADED
from llmprof.errors import DataError, DataNotFoundError

TEST = {
    name: {"category": name.upper(), "examples": [f"{name} one", f"{name} two"]}
    for name in ("targ1", "targ2", "attr1", "attr2")
}


def write(folder: Path, content: Any) -> DataOptions:
    (folder / "seat").mkdir()
    (folder / "seat" / "mine.jsonl").write_text(
        content if isinstance(content, str) else json.dumps(content)
    )
    return DataOptions(data_dir=folder)


def test_one_test_a_file_in_order_of_name(data_dir: Path) -> None:
    dataset = load_seat(DataOptions(data_dir=data_dir))
    names = [test.name for test in dataset.items]
    assert len(names) == 50 and names == sorted(names)
    sizes = {test.name: [len(each.examples) for each in test.sets] for test in dataset.items}
    assert sizes["weat1"] == [25, 25, 25, 25]
    assert sizes["sent-weat6"] == [64, 64, 101, 112]
    limited = load_seat(DataOptions(data_dir=data_dir, limit=3))
    assert limited.items == dataset.items[:3] and limited.sha256 != dataset.sha256


def test_builtin_has_none_of_the_real_sentences(data_dir: Path) -> None:
    builtin = load_seat(DataOptions(data="builtin"))
    assert builtin.demonstration
    ours, theirs = (
        {text for test in data.items for each in test.sets for text in each.examples}
        for data in (builtin, load_seat(DataOptions(data_dir=data_dir)))
    )
    assert not {text for text in ours if " " in text} & theirs


def test_one_whole_file(tmp_path: Path) -> None:
    (test,) = load_seat(write(tmp_path, TEST)).items
    assert test.name == "mine"
    assert test.attribute2.category == "ATTR2"
    assert test.target1.examples == ("targ1 one", "targ1 two")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({**TEST, "targ2": None}, "line 1: field 'targ2' is missing"),
        ({**TEST, "attr1": {"category": "A"}}, "field 'attr1.examples' is not a list"),
        ({**TEST, "attr1": {"category": "A", "examples": []}}, "'attr1.examples' is not a list"),
        ({**TEST, "attr2": {"examples": ["a"]}}, "field 'attr2.category' is missing"),
        (
            {**TEST, "targ1": {"category": "A", "examples": ["a", " "]}},
            "field 'targ1.examples[1]' is not a text",
        ),
        (
            {**TEST, "targ1": {"category": "A", "examples": ["a", "a"]}},
            "field 'targ1.examples[1]' repeats 'a'",
        ),
        (
            {**TEST, "targ1": {"category": "A", "examples": ["a"]}},
            "targ1 and targ2 have 1 and 2 examples",
        ),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_seat(write(tmp_path, content))
    assert words in str(caught.value)
    assert "mine.jsonl" in str(caught.value)


def test_names_of_what_is_downloaded_are_those_of_the_files(data_dir: Path) -> None:
    assert sorted(DOWNLOADED) == sorted(path.stem for path in (data_dir / "seat").glob("*.jsonl"))


def test_nothing_in_the_folder(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="no test file"):
        load_seat(DataOptions(data_dir=tmp_path))
