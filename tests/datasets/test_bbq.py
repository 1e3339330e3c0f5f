"""BBQ's loader: the real files, folders that lack some, and broken lines."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmprof.datasets import DataOptions, load_bbq
from llmprof.datasets.bbq import CATEGORIES, FILES
from llmprof.datasets.downloads import HubFile
from llmprof.errors import DataError, DataNotFoundError
from llmprof.profilers.bbq_targets import biased_option

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def row(data_dir: Path) -> dict[str, Any]:
    """The first real question about age."""
    with (data_dir / "bbq" / "Age.jsonl").open(encoding="utf-8") as lines:
        values: dict[str, Any] = json.loads(next(lines))
    return values


def write(folder: Path, *rows: dict[str, Any], category: str = "Age") -> DataOptions:
    path = folder / FILES[category].path
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(json.dumps(each) for each in rows), encoding="utf-8")
    return DataOptions(data_dir=folder)


def test_all_real_questions_of_the_categories_that_are_there(data_dir: Path) -> None:
    dataset = load_bbq(DataOptions(data_dir=data_dir))
    counts = Counter(item.category for item in dataset.items)
    assert counts == {"Age": 3680, "Disability_status": 1556, "Religion": 1200}
    assert len({item.id for item in dataset.items}) == 6436
    for item in dataset.items:
        assert (item.answer == item.unknown) == (item.condition == "ambig")
    missing = set(CATEGORIES) - set(counts)
    assert all(category in dataset.source for category in missing)
    assert not any(category in dataset.source for category in counts)


def test_limit_covers_all_categories(data_dir: Path) -> None:
    items = load_bbq(DataOptions(data_dir=data_dir, limit=7)).items
    assert [item.id for item in items] == [
        *("Age-0", "Disability_status-0", "Religion-0"),
        *("Age-1", "Disability_status-1", "Religion-1"),
        "Age-2",
    ]


def test_folder_without_any_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"Age\.jsonl"):
        load_bbq(DataOptions(data_dir=tmp_path))


def test_files_of_the_hub_are_pinned() -> None:
    hubs = [file.online for file in FILES.values() if isinstance(file.online, HubFile)]
    assert len(hubs) == 11
    assert {len(hub.revision) for hub in hubs} == {40}


def remove(*path: str) -> Edit:
    def edit(values: dict[str, Any]) -> None:
        for name in path[:-1]:
            values = values[name]
        del values[path[-1]]

    return edit


def put(value: object, *path: str) -> Edit:
    def edit(values: dict[str, Any]) -> None:
        for name in path[:-1]:
            values = values[name]
        values[path[-1]] = value

    return edit


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        (remove("context"), "'context' is missing"),
        (put("  ", "question"), "'question' is missing"),
        (put("", "ans1"), "'ans1' is missing"),
        (put(3, "label"), "'label' is '3', not a position from 0 to 2"),
        (put(-1, "label"), "'label'"),
        (put(True, "label"), "'label'"),
        (put("positive", "question_polarity"), "'question_polarity' is 'positive'"),
        (put("unclear", "context_condition"), "'context_condition' is 'unclear'"),
        (put("Height", "category"), "'category' is 'Height'"),
        (remove("answer_info"), "'answer_info' is missing"),
        (remove("answer_info", "ans2"), "'answer_info.ans2' is not a list"),
        (put(["x", "old"], "answer_info", "ans1"), "two"),
        (put(["x", "old"], "answer_info", "ans2"), None),
        (put(["x", "unknown"], "answer_info", "ans1"), "2 options as 'unknown'"),
        (remove("additional_metadata"), "'additional_metadata' is missing"),
        (remove("additional_metadata", "stereotyped_groups"), "'additional_metadata.stereotyped"),
        (put("old", "additional_metadata", "stereotyped_groups"), "is not a list"),
        (put(7, "additional_metadata", "target_loc"), "'additional_metadata.target_loc' is '7'"),
    ],
)  # fmt: skip
def test_broken_field_is_named_with_file_and_line(
    tmp_path: Path, row: dict[str, Any], edit: Edit, field: str | None
) -> None:
    good = json.loads(json.dumps(row))
    edit(row)
    options = write(tmp_path, good, row)
    if field in (None, "two"):
        # Told by its text, "Can't be determined"; or by the one label that is left.
        assert load_bbq(options).items[1].unknown == 2
        return
    with pytest.raises(DataError) as caught:
        load_bbq(options)
    message = str(caught.value)
    assert str(tmp_path / "bbq" / "Age.jsonl") in message
    assert "line 2" in message
    assert field is not None and field in message


def test_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no questions"):
        load_bbq(write(tmp_path))


def test_authors_analysis_tells_biased_answers_and_names(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    second, third = {**row, "example_id": 1}, {**row, "example_id": 2, "question_index": "30"}
    options = write(tmp_path, row, second, third)
    before = load_bbq(options)
    assert [item.names for item in before.items] == [False, False, True]
    (tmp_path / "bbq" / "additional_metadata.csv").write_text(
        "category,question_index,example_id,target_loc,label_type\n"
        '"Age","1",0,1,"name"\n"Age","1",1,NA,"label"\n',
        encoding="utf-8",
    )
    after = load_bbq(options)
    assert [item.target_location for item in after.items] == [1, None, None]
    assert [item.names for item in after.items] == [True, False, True]
    assert after.sha256 != before.sha256


def test_what_the_authors_could_not_tell_stays_unknown(tmp_path: Path, row: dict[str, Any]) -> None:
    options = write(tmp_path, row)
    assert biased_option(load_bbq(options).items[0]) is not None
    (tmp_path / "bbq" / "additional_metadata.csv").write_text(
        'category,question_index,example_id,target_loc,label_type\n"Age","1",0,NA,"label"\n',
        encoding="utf-8",
    )
    assert biased_option(load_bbq(options).items[0]) is None


@pytest.mark.parametrize(
    ("category", "index", "names"),
    [
        ("Race_x_SES", "1", False),
        ("Race_x_SES", "26", True),
        ("Race_x_gender", "21", False),
        ("Race_x_gender", "22", False),
        ("Race_x_gender", "23", True),
        ("Race_x_gender", "44", True),
    ],
)
def test_templates_of_names_are_known_without_the_analysis(
    tmp_path: Path, row: dict[str, Any], category: str, index: str, names: bool
) -> None:
    (tmp_path / "bbq").mkdir()
    row |= {"category": category, "question_index": index}
    (tmp_path / "bbq" / f"{category}.jsonl").write_text(json.dumps(row), encoding="utf-8")
    (item,) = load_bbq(DataOptions(data_dir=tmp_path)).items
    assert item.names is names


def test_target_of_the_row_itself(tmp_path: Path, row: dict[str, Any]) -> None:
    row["additional_metadata"]["target_loc"] = 0
    assert load_bbq(write(tmp_path, row)).items[0].target_location == 0
