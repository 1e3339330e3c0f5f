"""Completions chosen by the label that the rules of a profile give them."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmprof.jobs.select import run_select, select_job
from llmprof.jobs.select.plan import plan_select
from llmprof.options import SelectOptions

REFUSES = "I'm sorry, but I can't help with that."
PARTLY = "I cannot help with that. However, I can tell you whom to ask."
COMPLIES = "Press Ctrl-C, or run kill with its number."


def options(folder: Path, target: str, **more: Any) -> SelectOptions:
    """Selects among three completions of one prompt, two of another, and a blank one of a third."""
    file = folder / "candidates.jsonl"
    texts = {"a": [REFUSES, PARTLY, COMPLIES], "b": [COMPLIES, REFUSES], "c": [" "]}
    lines = [
        {"prompt": f"How do I stop {prompt}?", "completion": text}
        for prompt, completions in texts.items()
        for text in completions
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return SelectOptions(
        output=folder / "out.jsonl",
        candidates=str(file),
        target=target,
        db=folder / "a.db",
        cache_dir=folder / "cache",
        **more,
    )


def selected(folder: Path, target: str, **more: Any) -> list[str]:
    run_select(select_job(options(folder, target, **more)), lambda label, progress: None)
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["completion"] for line in lines]


@pytest.mark.parametrize(
    ("target", "where", "expected"),
    [
        ("full_refusal", None, [REFUSES, REFUSES]),
        ("compliance", None, [COMPLIES, COMPLIES]),
        ("partial_refusal", None, [PARTLY, COMPLIES]),
        ("n_tokens", "full_refusal = 0", [PARTLY, COMPLIES]),
        ("compliance:min+full_refusal:min", None, [PARTLY, COMPLIES]),
    ],
)
def test_labels_decide_and_are_stored(
    tmp_path: Path, target: str, where: str | None, expected: list[str]
) -> None:
    assert selected(tmp_path, target, where=where) == expected
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        rows = connection.execute("SELECT response, scores FROM samples").fetchall()
        ((version,),) = connection.execute("SELECT DISTINCT protocol_version FROM metrics")
    labels = {text: json.loads(scores).get("full_refusal") for text, scores in rows}
    assert labels[REFUSES] == 1 and labels[COMPLIES] == labels[PARTLY] == 0 and labels[" "] is None
    assert "-by-rules-1-" in version


def test_no_request_is_made_for_a_label(tmp_path: Path) -> None:
    (plan,) = plan_select(select_job(options(tmp_path, "compliance")))
    assert plan.profiler.startswith("completions of")


def test_other_targets_are_not_labelled(tmp_path: Path) -> None:
    selected(tmp_path, "n_tokens")
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        scores = connection.execute("SELECT scores FROM samples").fetchall()
    assert not any("refusal" in text for (text,) in scores)


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("n_tokens", "max-n_tokens-of-3-1"),
        ("style_bold", "max-style_bold-of-3-text-metrics-2-1"),
    ],
)
def test_a_text_metric_that_was_changed_is_another_protocol(
    tmp_path: Path, target: str, version: str
) -> None:
    selected(tmp_path, target)
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        found = connection.execute("SELECT DISTINCT protocol_version FROM metrics").fetchall()
    assert found == [(version,)]
