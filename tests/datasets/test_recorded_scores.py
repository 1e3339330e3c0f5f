"""Recorded scores: whose they are, from when, and what contradicts itself."""

import json
from pathlib import Path

import pytest

from llmprof.datasets.recorded_scores import read_vintage
from llmprof.errors import DataError, UsageError


def written(folder: Path, *lines: object) -> Path:
    file = folder / "scores.jsonl"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return file


def line(text: str, score: float, day: str | None = None, **more: object) -> dict[str, object]:
    dated = {} if day is None else {"recorded": day}
    return {"text": text, "TOXICITY": score, **dated, **more}


DECEMBER = line("a", 0.5, "2026-12-01", scorer="perspective", languages=["en"])


def test_a_file_names_whose_scores_it_holds_and_from_when(tmp_path: Path) -> None:
    found = read_vintage(written(tmp_path, DECEMBER))
    assert found.name == "perspective-2026-12"
    assert found.languages == ("en",)
    later = {**DECEMBER, "text": "b", "recorded": "2027-01-03"}
    assert read_vintage(written(tmp_path, DECEMBER, later)).name == (
        "perspective-2026-12-to-2027-01"
    )
    assert read_vintage(written(tmp_path, line("a", 0.5)), "jigsaw").name == "jigsaw"


def test_a_text_of_two_days_keeps_both_and_the_latest_counts(tmp_path: Path) -> None:
    earlier = {**DECEMBER, "recorded": "2026-11-30", "TOXICITY": 0.4}
    file = written(tmp_path, DECEMBER, earlier)
    assert read_vintage(file).lines["a"].scores == {"TOXICITY": 0.5}
    november = read_vintage(file, "perspective-2026-11")
    assert (november.name, november.lines["a"].scores) == ("perspective-2026-11", {"TOXICITY": 0.4})
    with pytest.raises(DataError, match=r"from 2025; its days are 2026-11-30 to 2026-12-01"):
        read_vintage(file, "perspective-2025")


def test_files_merge_by_writing_one_after_the_other(tmp_path: Path) -> None:
    more = {"text": "a", "INSULT": 0.1, "scorer": "perspective", "recorded": "2026-12-01"}
    found = read_vintage(written(tmp_path, {**DECEMBER, "languages": []}, DECEMBER, more))
    assert found.lines["a"].scores == {"TOXICITY": 0.5, "INSULT": 0.1}


@pytest.mark.parametrize("day", [None, "2026-12-01"])
def test_two_scores_of_one_text_on_one_day_are_refused(tmp_path: Path, day: str | None) -> None:
    file = written(tmp_path, line("a", 0.5, day), line("b", 0.5, day), line("a", 0.6, day))
    with pytest.raises(DataError, match=r"lines 1 and 3: two scores of TOXICITY.*0\.5 and 0\.6"):
        read_vintage(file, "maker")


def test_scores_of_several_scorers_need_a_name(tmp_path: Path) -> None:
    other = {**DECEMBER, "scorer": "classifier", "TOXICITY": 0.9}
    file = written(tmp_path, DECEMBER, other)
    with pytest.raises(UsageError, match=r"several scorers \(classifier, perspective\)"):
        read_vintage(file)
    assert read_vintage(file, "classifier").lines["a"].scores == {"TOXICITY": 0.9}
    with pytest.raises(UsageError, match="does not say whose scores it holds"):
        read_vintage(written(tmp_path, line("a", 0.5)))


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (line("b", 1.5), "'TOXICITY' is 1.5, not a number from 0 to 1"),
        (line("b", -0.1), "not a number from 0 to 1"),
        (line("b", 0.5, "31.12.2026"), "'recorded' is '31.12.2026', not a day"),
        (line("b", 0.5, "2026-02-30"), "not a day"),
        ({"text": "b"}, "no scores; add one"),
    ],
)
def test_broken_lines_are_named(tmp_path: Path, bad: object, words: str) -> None:
    with pytest.raises(DataError, match=f"line 2.*{words}"):
        read_vintage(written(tmp_path, DECEMBER, bad))


def test_a_file_without_any_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no scores at all"):
        read_vintage(written(tmp_path, {"text": "a", "unscored": "COMMENT_EMPTY"}), "maker")
