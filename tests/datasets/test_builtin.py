"""The built-in samples: every file has the shape of the real one, and says that it is a sample."""

from collections import Counter
from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_crows_pairs, load_prompts
from llmprof.datasets.sources import BUILTIN_DIR

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


def test_readme_states_the_licence() -> None:
    assert "Apache-2.0" in (BUILTIN_DIR / "README.md").read_text(encoding="utf-8")
