"""The files that a scorer reads, which no output may replace."""

from pathlib import Path

import pytest

from llmprof.backends import BackendOptions
from llmprof.jobs.score import score_job
from llmprof.jobs.select import select_job
from llmprof.options import ScoreOptions, ScorerChoice, SelectOptions


@pytest.mark.parametrize(
    "name", ["recorded:{}", "recorded:perspective={}", "profanity,recorded:{}"]
)
def test_files_in_the_name_are_inputs(name: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text("{}\n")
    assert ScorerChoice(name.format(file), BackendOptions()).files == [file]


def test_commands_that_score_take_them_for_inputs(tmp_path: Path) -> None:
    file = tmp_path / "scores.jsonl"
    file.write_text("{}\n")
    scorer = f"recorded:{file}"
    assert file in score_job(ScoreOptions(sources=["a.txt"], toxicity_scorer=scorer)).inputs
    output = tmp_path / "out.jsonl"
    options = SelectOptions(output=output, target="toxicity", toxicity_scorer=scorer)
    assert file in select_job(options).inputs
