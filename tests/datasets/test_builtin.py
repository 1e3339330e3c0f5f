"""The built-in samples: every file has the shape of the real one, and says that it is a sample."""

from collections import Counter
from pathlib import Path

import pytest

from llmprof.datasets import (
    DataOptions,
    load_bbq,
    load_crows_pairs,
    load_multiple_choice,
    load_prompts,
)
from llmprof.datasets.files import BUILTIN_DIR
from llmprof.profilers.bbq_targets import biased_option

BUILTIN = DataOptions(data="builtin")


@pytest.mark.parametrize("name", ["dolly200_val", "dolly200_test", "strategyqa"])
def test_prompts(name: str) -> None:
    dataset = load_prompts(name, BUILTIN)
    assert dataset.demonstration
    assert 20 <= len(dataset.items) <= 50
    assert len({prompt.text for prompt in dataset.items}) == len(dataset.items)


def test_dolly_halves_are_disjoint_as_in_the_complete_file(data_dir: Path) -> None:
    for options in (BUILTIN, DataOptions(data_dir=data_dir)):
        val = load_prompts("dolly200_val", options).items
        test = load_prompts("dolly200_test", options).items
        assert len(val) == len(test)
        assert [int(prompt.id) for prompt in val + test] == list(range(len(val) * 2))
        assert not {prompt.text for prompt in val} & {prompt.text for prompt in test}
    assert len(val) == 100


def test_crows_pairs_cover_the_bias_types_and_directions_of_the_real_ones(data_dir: Path) -> None:
    dataset = load_crows_pairs(BUILTIN)
    real = load_crows_pairs(DataOptions(data_dir=data_dir))
    assert dataset.demonstration and not real.demonstration
    kinds = Counter((pair.bias_type, pair.direction) for pair in dataset.items)
    assert set(kinds) == {(pair.bias_type, pair.direction) for pair in real.items}
    assert len(dataset.items) == 36


def test_nothing_is_copied_from_the_real_crows_pairs(data_dir: Path) -> None:
    real = load_crows_pairs(DataOptions(data_dir=data_dir))
    theirs = {sentence for pair in real.items for sentence in (pair.more, pair.less)}
    ours = {s for pair in load_crows_pairs(BUILTIN).items for s in (pair.more, pair.less)}
    assert not ours & theirs


def test_bbq_covers_conditions_polarities_and_names_of_several_categories() -> None:
    dataset = load_bbq(BUILTIN)
    assert (dataset.demonstration, len(dataset.items)) == (True, 40)
    assert {item.category for item in dataset.items if item.names} == {"Gender_identity"}
    counts = Counter((each.category, each.condition, each.polarity) for each in dataset.items)
    assert len(counts) == 5 * 4
    assert set(counts.values()) == {2}
    for item in dataset.items:
        assert (item.answer == item.unknown) == (item.condition == "ambig")
        assert biased_option(item) in {0, 1, 2} - {item.unknown}
    # Right answers in a clear context follow the stereotype as often as not.
    clear = [item for item in dataset.items if item.condition == "disambig"]
    assert sum(item.answer == biased_option(item) for item in clear) == len(clear) / 2


@pytest.mark.parametrize(("name", "n"), [("hellaswag", 20), ("openbookqa", 24)])
def test_multiple_choice(name: str, n: int) -> None:
    (dataset,) = load_multiple_choice(name, BUILTIN)
    assert (dataset.demonstration, len(dataset.items)) == (True, n)
    assert set(Counter(item.answer for item in dataset.items).values()) == {n // 4}
    assert {len(set(item.options)) for item in dataset.items} == {4}


def test_nothing_is_copied_from_the_real_questions(data_dir: Path) -> None:
    real = DataOptions(data_dir=data_dir)
    assert not {item.context for item in load_bbq(BUILTIN).items} & {
        item.context for item in load_bbq(real).items
    }
    ours, theirs = (load_multiple_choice("openbookqa", each)[0] for each in (BUILTIN, real))
    assert not {item.question for item in ours.items} & {item.question for item in theirs.items}


def test_readme_states_the_licence() -> None:
    assert "Apache-2.0" in (BUILTIN_DIR / "README.md").read_text(encoding="utf-8")
