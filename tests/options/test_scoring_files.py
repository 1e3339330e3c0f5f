"""The files that a scorer reads, which no output may replace."""

from pathlib import Path

import pytest

from llmprof.backends import BackendOptions
from llmprof.options import ScorerChoice


@pytest.mark.parametrize(
    "name", ["recorded:{}", "recorded:perspective={}", "profanity,recorded:{}"]
)
def test_files_in_the_name_are_inputs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text("{}\n")
    assert ScorerChoice(name.format(file), BackendOptions()).files == [file]
