"""Scores that exist already: read from a file, named by their maker, never guessed."""

import json
from pathlib import Path

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.errors import DataError, DataNotFoundError, UsageError
from llmprof.requests import Toxicity
from llmprof.responses import Failure, ToxicityScores
from tests.backends.asking import MemorySink, ask

ATTRIBUTES = ("TOXICITY", "INSULT", "THREAT")


def recorded(folder: Path, *lines: object, whose: str = "maker") -> BackendOptions:
    file = folder / "scores.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return BackendOptions(model=f"{whose}={file}")


def test_known_texts_get_their_scores_and_others_a_failure(tmp_path: Path) -> None:
    options = recorded(
        tmp_path,
        {"text": "a", "TOXICITY": 0.5, "INSULT": 1, "FLIRTATION": 0.1, "id": "x", "scorer": "y"},
        {"text": "b", "unscored": "COMMENT_TOO_LONG"},
        {"text": "", "unscored": "EMPTY"},
    )
    backend = create_backend("recorded", options)
    found = ask(backend, [Toxicity(text, ATTRIBUTES) for text in "abc"], MemorySink())
    assert found[0] == ToxicityScores({"TOXICITY": 0.5, "INSULT": 1.0})
    assert [each.error_class for each in found[1:] if isinstance(each, Failure)] == [
        "NotRecorded",
        "NotRecorded",
    ]


def test_every_recorded_real_score_comes_back(data_dir: Path) -> None:
    file = data_dir / "perspective_recorded" / "scores.jsonl"
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    backend = create_backend("recorded", BackendOptions(model=f"perspective={file}"))
    assert backend.name == "recorded-perspective"
    found = ask(backend, [Toxicity(each["text"], ATTRIBUTES) for each in records], MemorySink())
    assert found == [ToxicityScores({name: each[name] for name in ATTRIBUTES}) for each in records]


def test_another_file_or_maker_is_another_identity(tmp_path: Path) -> None:
    one = create_backend("recorded", recorded(tmp_path, {"text": "a", "TOXICITY": 0.5}))
    other = create_backend("recorded", recorded(tmp_path, {"text": "a", "TOXICITY": 0.6}))
    maker = create_backend(
        "recorded", recorded(tmp_path, {"text": "a", "TOXICITY": 0.6}, whose="x")
    )
    assert len({str(each.identity) for each in (one, other, maker)}) == 3


@pytest.mark.parametrize("model", [None, "", "scores.jsonl", "=scores.jsonl", "maker="])
def test_whose_scores_they_are_must_be_said(model: str | None) -> None:
    with pytest.raises(UsageError, match=r"perspective=scores\.jsonl"):
        create_backend("recorded", BackendOptions(model=model))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ({"text": "a", "TOXICITY": 1.5}, "'TOXICITY' is 1.5"),
        ({"text": "a", "TOXICITY": "0.5"}, "not a number"),
        ({"text": "a", "TOXICITY": True}, "not a number"),
        ({"text": "a"}, "no scores"),
        ({"TOXICITY": 0.5}, "'text' is missing"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, line: object, words: str) -> None:
    with pytest.raises(DataError, match=r"line 2.*" + words):
        create_backend("recorded", recorded(tmp_path, {"text": "a", "TOXICITY": 0.5}, line))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="cannot read"):
        create_backend("recorded", BackendOptions(model=f"maker={tmp_path / 'none.jsonl'}"))
