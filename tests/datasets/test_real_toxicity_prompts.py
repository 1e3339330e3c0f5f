"""The 300 toxic prompts, and the built-in ones in their shape."""

import json
from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_real_toxicity_prompts
from llmprof.errors import DataError, DataNotFoundError


def test_the_300(data_dir: Path) -> None:
    dataset = load_real_toxicity_prompts(DataOptions(data_dir=data_dir))
    file = data_dir / "real_toxicity_prompts" / "rtp_toxic_test_set.jsonl"
    expected = [json.loads(line)["prompt"] for line in file.read_text("utf-8").split("\n") if line]
    assert [each.text for each in dataset.items] == expected
    assert len({each.id for each in dataset.items}) == 300


def test_built_in_ones_are_our_own(data_dir: Path) -> None:
    builtin = load_real_toxicity_prompts(DataOptions(data="builtin"))
    assert builtin.demonstration
    assert 20 <= len(builtin.items) <= 50
    real = load_real_toxicity_prompts(DataOptions(data_dir=data_dir))
    assert not {each.text for each in builtin.items} & {each.text for each in real.items}


def test_the_hub_does_not_have_them() -> None:
    with pytest.raises(DataNotFoundError, match="not on the Hub; put it in a folder"):
        load_real_toxicity_prompts(DataOptions(data="hub"))


@pytest.mark.parametrize(
    ("line", "words"),
    [('{"prompt": ""}', "'prompt' is missing"), ("{", "not JSON"), ("", "holds no prompts")],
)
def test_broken_lines(tmp_path: Path, line: str, words: str) -> None:
    folder = tmp_path / "real_toxicity_prompts"
    folder.mkdir()
    (folder / "rtp_toxic_test_set.jsonl").write_text(line, encoding="utf-8")
    with pytest.raises(DataError, match=words):
        load_real_toxicity_prompts(DataOptions(data_dir=tmp_path))
