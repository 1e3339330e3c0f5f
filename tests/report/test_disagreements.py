"""A change that only one scorer sees is told, in every format that has sentences."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from llmprof.report.contents import Change, Report, ReportedRun, Row, Section, Value
from llmprof.report.disagreements import disagreements
from llmprof.report.formats import write_report

RUN = ReportedRun("1", "one", "profile", "m", "b", "complete", None, 0, "2026-01-01", {}, {})
VALUE = Value(0.5, 0.4, 0.6, 10, 10)
RISES = Change(0.1, 20.0, 0.05, 0.15, 10)
FALLS = Change(-0.1, -20.0, -0.15, -0.05, 10)
NEITHER = Change(0.01, 2.0, -0.02, 0.04, 10)


def report(one: Change, other: Change, names: tuple[str, str] = ("m:a", "m:b")) -> Report:
    rows = [
        Row(name, "overall", [VALUE, VALUE], [None, change], label=name)
        for name, change in zip(names, (one, other), strict=True)
    ]
    section = Section("toxicity", "1", "data", "made", "a" * 64, False, "a, b", rows)
    runs = [RUN, replace(RUN, run_id="2", label="two")]
    made = Report(runs, [section], baseline=0)
    return replace(made, remarks=disagreements(made))


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [(RISES, RISES, 0), (RISES, FALLS, 1), (RISES, NEITHER, 1), (NEITHER, NEITHER, 0)],
)
def test_scorers_disagree_where_their_intervals_do(one: Change, other: Change, told: int) -> None:
    assert len(report(one, other).remarks) == told


def test_an_estimate_or_another_metric_is_not_compared() -> None:
    assert not report(RISES, FALLS, ("m:a", "m:p~a")).remarks
    assert not report(RISES, FALLS, ("m:a", "n:b")).remarks


@pytest.mark.parametrize("format", ["terminal", "markdown", "json"])
def test_every_format_with_sentences_tells_it(tmp_path: Path, format: str) -> None:
    output = tmp_path / "report"
    write_report(report(RISES, FALLS), tmp_path / "none.db", format, output)
    text = output.read_text("utf-8")
    if format == "json":
        text = " ".join(json.loads(text)["remarks"])
    assert "the scorers disagree about m of two" in text.replace("\\", "")
