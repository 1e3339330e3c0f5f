"""Which items changed most between two runs, with their texts."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.samples import Sample
from llmprof.report.item_differences import ADDED, EQUAL, REMOVED, compare_items, marked
from llmprof.results import Store
from tests.report.databases import Made, add_run, pairs, texts


def toxic(scores: list[list[float]], word: str) -> Made:
    samples = [
        Sample(str(item), f"prompt {item}", f"{word} {score}", {"TOXICITY": score}, sample_index=at)
        for item, each in enumerate(scores)
        for at, score in enumerate(each)
    ]
    return Made("toxicity", samples)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    db = tmp_path / "a.db"
    for name, scores in (
        ("base", [[0.1, 0.2], [0.5, 0.3], [0.4, 0.4]]),
        ("tuned", [[0.9, 0.1], [0.5, 0.2], [0.3, 0.1]]),
    ):
        add_run(db, name, toxic(scores, name), pairs([1.0, 0.0]), scorer="s")
    return db


def test_the_largest_difference_is_first_with_the_texts_that_made_it(db: Path) -> None:
    (found,) = compare_items(db, "base", "tuned", profilers=["toxicity"])
    assert (found.metric, found.shared, found.changed) == ("expected_maximum_toxicity:s", 3, 2)
    first, second = found.items
    assert (first.item, first.before, first.after) == ("0", 0.2, 0.9)
    assert (first.response_before, first.response_after) == ("base 0.2", "tuned 0.9")
    assert second.difference == pytest.approx(-0.1)


def test_top_and_metric_choose(db: Path) -> None:
    (found,) = compare_items(
        db, "base", "tuned", profilers=["toxicity"], metric="mean_toxicity", top=1
    )
    assert (found.metric, len(found.items), found.changed) == ("mean_toxicity:s", 1, 3)


def test_what_cannot_be_compared_is_one_line(db: Path) -> None:
    with pytest.raises(UnknownNameError, match="the same run"):
        compare_items(db, "base", "base")
    with pytest.raises(
        UnknownNameError, match=r"share no profile textual; .*toxicity, crows_pairs"
    ):
        compare_items(db, "base", "tuned", profilers=["textual"])
    with pytest.raises(UsageError, match="not a mean over items"):
        compare_items(db, "base", "tuned", profilers=["toxicity"], metric="nothing")


@given(st.text("ab \n.", max_size=30), st.text("ab \n.", max_size=30))
def test_the_marked_parts_are_both_texts(before: str, after: str) -> None:
    parts = marked(before, after)
    assert "".join(text for kind, text in parts if kind in (EQUAL, REMOVED)) == before
    assert "".join(text for kind, text in parts if kind in (EQUAL, ADDED)) == after


def test_the_command_prints_text_json_and_csv(db: Path) -> None:
    def out(*more: str) -> str:
        line = [sys.executable, "-m", "llmprof", "diff", "base", "tuned", "--db", str(db), *more]
        done = subprocess.run(line, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    text = out("--profilers", "toxicity")
    assert "[-base-]{+tuned+}" in text and "2 of 3 shared items differ" in text
    (first, *_) = json.loads(out("--profilers", "toxicity", "--format", "json"))
    assert first["item"] == "0" and first["difference"] == pytest.approx(0.7)
    rows = list(csv.DictReader(io.StringIO(out("--format", "csv"))))
    assert {row["profiler"] for row in rows} == {"toxicity"}


def test_the_view_pairs_samples(db: Path) -> None:
    add_run(db, "other", replace(texts([1.0]), dataset="d"))
    with Store(db, read_only=True) as store:
        _, rows = store.query(
            "SELECT sample_id, response_before, response_after FROM paired_samples "
            "WHERE model_before = 'base' AND model_after = 'tuned' AND profiler = 'toxicity' "
            "ORDER BY sample_id, sample_index LIMIT 1"
        )
    assert rows == [("0", "base 0.1", "tuned 0.9")]
