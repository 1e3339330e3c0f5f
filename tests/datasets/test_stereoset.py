"""StereoSet's loader: the authors' JSON, the Hub's Parquet files, and broken items."""

import copy
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from llmprof.datasets import DataOptions, load_stereoset
from llmprof.datasets.downloads import HubFile
from llmprof.datasets.stereoset import FILES, HALVES
from llmprof.errors import DataError, DataNotFoundError

ITEM = {
    "id": "1",
    "target": "aunt",
    "bias_type": "gender",
    "context": "My aunt is BLANK.",
    "sentences": [
        {"id": "1a", "sentence": "My aunt is calm.", "gold_label": "stereotype", "labels": []},
        {"id": "1b", "sentence": "My aunt is rash.", "gold_label": "anti-stereotype", "labels": []},
        {"id": "1c", "sentence": "My aunt is lead.", "gold_label": "unrelated", "labels": []},
    ],
}


def write(folder: Path, intrasentence: Any, intersentence: Any = ()) -> DataOptions:
    (folder / "stereoset").mkdir()
    data = {"intrasentence": intrasentence, "intersentence": list(intersentence)}
    (folder / "stereoset" / "dev.json").write_text(json.dumps({"version": "1", "data": data}))
    return DataOptions(data_dir=folder)


def test_the_real_file(data_dir: Path) -> None:
    dataset = load_stereoset(DataOptions(data_dir=data_dir))
    assert Counter(item.half for item in dataset.items) == {
        "intrasentence": 2106, "intersentence": 2123,
    }  # fmt: skip
    assert len({item.target for item in dataset.items}) == 79
    assert all(
        list(item.candidates) == ["stereotype", "anti-stereotype", "unrelated"]
        for item in dataset.items
    )


@pytest.mark.parametrize(("limit", "intra", "inter"), [(1, 1, 0), (5, 3, 2), (8, 4, 4)])
def test_limit_takes_from_both_halves(data_dir: Path, limit: int, intra: int, inter: int) -> None:
    items = load_stereoset(DataOptions(data_dir=data_dir, limit=limit)).items
    assert [item.half for item in items] == ["intrasentence"] * intra + ["intersentence"] * inter


def test_builtin_has_the_real_shape_and_none_of_its_sentences(data_dir: Path) -> None:
    builtin = load_stereoset(DataOptions(data="builtin"))
    real = load_stereoset(DataOptions(data_dir=data_dir))
    assert builtin.demonstration
    assert {(item.half, item.domain) for item in builtin.items} == {
        (item.half, item.domain) for item in real.items
    }
    assert 20 <= len(builtin.items) <= 50
    ours, theirs = (
        {each.sentence for item in data.items for each in item.candidates.values()}
        for data in (builtin, real)
    )
    assert not ours & theirs


def test_the_hubs_files_give_the_same_items(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in the Hub's shape, into a Hub cache: sentences as a struct of lists."""
    labels = ("anti-stereotype", "stereotype", "unrelated")
    content = json.loads((data_dir / "stereoset" / "dev.json").read_text(encoding="utf-8"))
    for half in HALVES:
        hub = FILES[half].online
        assert isinstance(hub, HubFile)
        rows = [
            {
                **item,
                "sentences": {
                    name: [
                        labels.index(each[name]) if name == "gold_label" else each[name]
                        for each in item["sentences"]
                    ]
                    for name in ("sentence", "id", "gold_label")
                },
            }
            for item in content["data"][half]
        ]
        folder = tmp_path / f"datasets--{hub.repo.replace('/', '--')}" / "snapshots" / hub.revision
        (folder / hub.path).parent.mkdir(parents=True)
        parquet.write_table(pa.Table.from_pylist(rows), folder / hub.path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    dataset = load_stereoset(DataOptions(offline=True))
    assert dataset.items == load_stereoset(DataOptions(data_dir=data_dir)).items
    assert dataset.source.count("hub:McGill-NLP/stereoset@bf6e7ce") == 2


def changed(*path: Any, to: Any) -> list[Any]:
    """Two items, the second with one value changed."""
    item: Any = copy.deepcopy(ITEM)
    inner = item
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return [ITEM, item]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (changed("id", to=None), "intrasentence item 2: field 'id' is missing"),
        (changed("context", to=" "), "intrasentence item 2: field 'context' is missing"),
        (changed("bias_type", to="age"), "item 2: field 'bias_type' is 'age', not one of gender"),
        (changed("sentences", to=[]), "item 2: field 'sentences' is not a list of three"),
        (
            changed("sentences", 1, "gold_label", to="wrong"),
            "item 2: field 'sentences[1].gold_label' is 'wrong'",
        ),
        (
            changed("sentences", 1, "gold_label", to="stereotype"),
            "item 2: field 'sentences[1].gold_label' is 'stereotype' a second time",
        ),
        (
            changed("sentences", 2, "sentence", to=""),
            "item 2: field 'sentences[2].sentence' is missing",
        ),
        (changed("sentences", 0, to=7), "item 2: field 'sentences[0].gold_label' is missing"),
        ([ITEM, 7], "intrasentence item 2: field 'data' is not an object"),
        ([], "holds no items"),
    ],
)
def test_broken_items_are_refused(tmp_path: Path, items: Any, words: str) -> None:
    with pytest.raises(DataError) as caught:
        load_stereoset(write(tmp_path, items))
    assert words in str(caught.value)
    assert "dev.json" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", '{"data": {}}', '{"data": null}'])
def test_a_file_that_is_not_stereoset_is_refused(tmp_path: Path, text: str) -> None:
    options = write(tmp_path, [])
    (tmp_path / "stereoset" / "dev.json").write_text(text)
    with pytest.raises(DataError, match=r"dev\.json: (no list of items|not JSON)"):
        load_stereoset(options)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"dev\.json"):
        load_stereoset(DataOptions(data_dir=tmp_path))
