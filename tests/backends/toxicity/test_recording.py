"""What scorers answer is written down once, whole, with its day, and can be read back."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.toxicity.recording import MissingTexts, ScoreRecorder
from llmprof.errors import DataError, OutputError
from llmprof.requests import Outcome, Toxicity
from llmprof.responses import Failure, ToxicityScores

SCORERS = {"profanity": create_backend("profanity", BackendOptions())}


def ask(text: str) -> Toxicity:
    return Toxicity(text, ("TOXICITY", "INSULT"))


def answer(score: float, given: str | None = "2026-12-01", **details: Any) -> ToxicityScores:
    return ToxicityScores({"TOXICITY": score}, details=details, given=given)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(each) for each in file.read_text("utf-8").splitlines()]


def test_a_line_holds_the_raw_answer_its_day_and_what_was_asked(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    record = ScoreRecorder(file, SCORERS)
    record([(ask("a"), answer(0.5, answer={"raw": [1]})), (ask("b"), answer(0.2, given=None))])
    first, second = lines(file)
    assert first["answer"] == {"raw": [1]}
    assert (first["scorer"], first["recorded"]) == ("profanity", "2026-12-01")
    assert first["attributes"] == ["TOXICITY", "INSULT"]
    assert second["recorded"].startswith("20")


def test_refusals_are_kept_and_failures_are_not(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    outcomes: list[tuple[Toxicity, Outcome]] = [
        (ask("a"), ToxicityScores({}, "COMMENT_TOO_LONG", given="2026-12-01")),
        (ask("b"), Failure("ServerError", "no")),
        (ask("half \ud83d"), answer(0.1)),
    ]
    ScoreRecorder(file, SCORERS)(outcomes)
    assert [each.get("unscored") for each in lines(file)] == ["COMMENT_TOO_LONG", None]
    assert lines(file)[1]["text"] == "half \ud83d"


def test_a_second_run_merges_and_two_days_are_two_lines(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    ScoreRecorder(file, SCORERS)([(ask("a"), answer(0.5)), (ask("b"), answer(0.2))])
    again = ScoreRecorder(file, SCORERS)
    again([(ask("b"), answer(0.2)), (ask("c"), answer(0.3)), (ask("a"), answer(0.6, "2026-12-02"))])
    assert [(each["text"], each["TOXICITY"]) for each in lines(file)] == [
        ("a", 0.5),
        ("b", 0.2),
        ("c", 0.3),
        ("a", 0.6),
    ]


def test_another_score_of_the_same_day_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    ScoreRecorder(file, SCORERS)([(ask("a"), answer(0.5))])
    with pytest.raises(DataError, match="holds other scores of profanity from 2026-12-01"):
        ScoreRecorder(file, SCORERS)([(ask("a"), answer(0.6))])
    assert [each["TOXICITY"] for each in lines(file)] == [0.5]


def test_a_line_that_a_kill_has_torn_is_written_again(tmp_path: Path) -> None:
    file = tmp_path / "out.jsonl"
    both = [(ask("a"), answer(0.5)), (ask("b"), answer(0.2))]
    ScoreRecorder(file, SCORERS)(both)
    whole = file.read_bytes()
    for cut in (len(whole) - 1, len(whole) - 20):
        file.write_bytes(whole[:cut])
        ScoreRecorder(file, SCORERS)(both)
        assert file.read_bytes() == whole


def test_a_whole_last_line_is_kept_without_its_line_break(tmp_path: Path) -> None:
    """As an editor leaves it; of a service that has closed it may be the only copy."""
    file = tmp_path / "out.jsonl"
    ScoreRecorder(file, SCORERS)([(ask("a"), answer(0.5)), (ask("b"), answer(0.2))])
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    ScoreRecorder(file, SCORERS)([(ask("c"), answer(0.1))])
    assert file.read_bytes().startswith(whole)
    assert [line["text"] for line in lines(file)] == ["a", "b", "c"]


def test_recorded_scores_are_not_recorded_again(tmp_path: Path) -> None:
    source = tmp_path / "scores.jsonl"
    source.write_text('{"text": "a", "TOXICITY": 0.5}\n', encoding="utf-8")
    scorer = create_backend("recorded", BackendOptions(model=f"perspective={source}"))
    file = tmp_path / "out.jsonl"
    ScoreRecorder(file, {scorer.name: scorer})([(ask("a"), answer(0.5))])
    assert file.read_text() == ""


@pytest.mark.parametrize(
    "content",
    [
        "nonsense\n",
        '{"text": "a", "TOXICITY": 0.5}\n',
        '{"text": "my only copy"}',
        "[]\n",
    ],
)
def test_a_file_of_something_else_is_not_written_to(tmp_path: Path, content: str) -> None:
    file = tmp_path / "out.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match="line 1: not a recorded score"):
        ScoreRecorder(file, SCORERS)
    assert file.read_text() == content


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "no folder" / "out.jsonl"
    with pytest.raises(OutputError, match=r"cannot write.*nothing is asked again"):
        ScoreRecorder(file, SCORERS)([(ask("a"), answer(0.5))])
    with pytest.raises(OutputError, match="cannot write"):
        MissingTexts(file)


def test_missing_texts_are_ready_to_be_scored(tmp_path: Path) -> None:
    file = tmp_path / "missing.jsonl"
    missing = MissingTexts(file)
    failure = Failure("NotRecorded", "no")
    missing([(ask("a"), failure), (ask("b"), answer(0.5)), (ask("a"), failure)])
    missing([(ask("c"), failure)])
    assert lines(file) == [{"text": "a"}, {"text": "c"}]
    assert len(missing) == 2
