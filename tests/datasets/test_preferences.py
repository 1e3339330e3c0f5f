"""Pairs of answers: the authors' files, the user's own file, and broken ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import DataOptions, load_preferences
from llmprof.errors import DataError, DataNotFoundError, UnknownNameError

PAIR = {"input": "Say A.", "output_1": "A", "output_2": "B", "label": 1}


def write(folder: Path, items: Any, name: str = "natural") -> DataOptions:
    (folder / "llmbar").mkdir(exist_ok=True)
    (folder / "llmbar" / f"{name}.json").write_text(json.dumps(items), encoding="utf-8")
    return DataOptions(data_dir=folder)


def test_a_folder_gives_what_it_has_and_its_source_names_the_rest(tmp_path: Path) -> None:
    write(tmp_path, [PAIR, PAIR])
    options = write(tmp_path, [PAIR] * 3, "gptout")
    (llmbar,) = load_preferences(options)
    assert llmbar.source.endswith("(not there: neighbor, gptinst, manual)")
    assert [item.id for item in llmbar.items] == [
        "natural-1", "gptout-1", "natural-2", "gptout-2", "gptout-3",
    ]  # fmt: skip
    (few,) = load_preferences(DataOptions(data_dir=tmp_path, limit=3))
    assert few.items == llmbar.items[:3]
    with pytest.raises(DataNotFoundError, match=r"mt_bench\.json"):
        load_preferences(options, "human_pairs")


def test_the_users_own_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    lines = [
        {"id": "x", "prompt": "Hi", "output_1": "", "output_2": "Hello", "label": "2", "own": 1},
        {"instruction": "Hi", "output_1": "1", "output_2": "2", "label": 1, "subset": "other"},
    ]
    path.write_text("\n".join(map(json.dumps, lines)))
    (dataset,) = load_preferences(DataOptions(), str(path))
    first, second = dataset.items
    assert (dataset.name, first.id, first.preferred, first.own) == ("mine", "mine-x", 1, 0)
    assert (second.id, second.subset, second.own) == ("other-2", "other", None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"input": None}, "natural.json, item 2: field 'input' is missing"),
        ({"output_2": None}, "item 2: field 'output_2' is missing"),
        ({"output_1": 7.5}, None),
        ({"output_1": ["a"]}, "item 2: field 'output_1' is list, not text"),
        ({"label": 3}, "item 2: field 'label' is '3', not one of 1, 2"),
        ({"label": None}, "item 2: field 'label' is missing"),
        ({"own": 0}, "item 2: field 'own' is '0', not one of 1, 2"),
    ],
)
def test_broken_pairs_are_refused_with_their_place(
    tmp_path: Path, changed: dict[str, Any], words: str | None
) -> None:
    options = write(tmp_path, [PAIR, {**PAIR, **changed}])
    if words is None:
        assert load_preferences(options)[0].items[1].outputs[0] == "7.5"
        return
    with pytest.raises(DataError) as caught:
        load_preferences(options)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_nothing_to_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no pairs"):
        load_preferences(write(tmp_path, []))
    with pytest.raises(UnknownNameError, match="choose one of: llmbar, human_pairs"):
        load_preferences(DataOptions(), "nonsense")
    with pytest.raises(DataNotFoundError, match=r"natural\.json"):
        load_preferences(DataOptions(data_dir=tmp_path / "empty"))
