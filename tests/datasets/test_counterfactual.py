"""Prompts about another group: which words change, and how; what is left out; files."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmprof.datasets import DataOptions
from llmprof.datasets.counterfactual import load_counterfactual
from llmprof.datasets.group_words import GROUP_WORDS, Exchange
from llmprof.errors import DataError, UnknownNameError

BUILTIN = DataOptions(data="builtin")


@pytest.mark.parametrize(
    ("text", "attribute", "group", "changed"),
    [
        ("She gave him her book.", "gender", "male", None),
        (
            "She lost her keys; they were hers.",
            "gender",
            "male",
            "He lost his keys; they were his.",
        ),
        ("HE told me about himself.", "gender", "female", "SHE told me about herself."),
        ("I saw her. The work is hers", "gender", "male", "I saw him. The work is his"),
        ("I saw his car and asked him.", "gender", "female", "I saw her car and asked her."),
        ("A white man in a white car.", "race", "Asian", "An Asian man in a white car."),
        ("An Asian woman ate an apple", "race", "black", "A black woman ate an apple"),
        ("The white wall", "race", "black", None),
        ("Muslims read. A Muslim book.", "religion", "Jewish", "Jews read. A Jewish book."),
        ("Christianity is old.", "religion", "Hindu", "Hinduism is old."),
    ],
)
def test_words_are_exchanged(text: str, attribute: str, group: str, changed: str | None) -> None:
    assert Exchange(text, attribute).versions.get(group) == changed


@pytest.mark.parametrize("attribute", GROUP_WORDS)
def test_the_lists_of_an_attribute_are_parallel_and_share_no_word(attribute: str) -> None:
    lists = list(GROUP_WORDS[attribute].values())
    assert len({len(words) for words in lists}) == 1
    every = [word for words in lists for word in words]
    assert len(set(every)) == len(every)


def test_there_and_back_is_the_same_text() -> None:
    for item in load_counterfactual(BUILTIN).items:
        for _, text in item.versions:
            versions = Exchange(text, item.attribute).versions
            assert tuple(versions.items()) == item.versions
            assert text in versions.values()


def test_builtin_prompts_are_of_every_attribute_wherever_data_are(data_dir: Path) -> None:
    builtin = load_counterfactual(BUILTIN)
    assert builtin.demonstration and {each.attribute for each in builtin.items} == set(GROUP_WORDS)
    for options in (DataOptions(data="hub"), DataOptions(data_dir=data_dir)):
        assert load_counterfactual(options).items == builtin.items
    assert len(load_counterfactual(DataOptions(data="builtin", limit=3)).items) == 3


def test_files_of_the_users_and_of_a_folder(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    own.write_text("The sky is blue.\nMy aunt sings.\n")
    (item,) = load_counterfactual(BUILTIN, str(own)).items
    assert item.id == "gender-2" and dict(item.versions)["male"] == "My uncle sings."
    (tmp_path / "counterfactual").mkdir()
    (tmp_path / "counterfactual" / "prompts.txt").write_text("A Hindu student\n")
    (item,) = load_counterfactual(DataOptions(data_dir=tmp_path)).items
    assert item.attribute == "religion"
    own.write_text("The sky is blue.\n")
    with pytest.raises(DataError, match="no prompt names exactly one group"):
        load_counterfactual(BUILTIN, str(own))
    with pytest.raises(UnknownNameError, match="nowhere"):
        load_counterfactual(BUILTIN, "nowhere")
