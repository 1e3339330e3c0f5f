"""The short report of a selection."""

from pathlib import Path

import pytest

from llmprof.console.selection import print_selection
from llmprof.jobs.runner import open_run
from llmprof.metrics.samples import Metric, Sample
from llmprof.results import ProfileResult, RunStart, Store, Work

METRICS = [
    Metric("mtld", 40.0, 38.0, 42.0, 9, 10, group="candidates"),
    Metric("mtld", 60.0, 55.0, 65.0, 8, 10, group="selected"),
    Metric("mtld", 20.0, 18.0, 22.0, 8, 10, group="change"),
    Metric("lix", 30.0, 28.0, 32.0, 10, 10, group="candidates"),
    Metric("lix", 36.0, 33.0, 39.0, 10, 10, group="selected"),
    Metric("lix", 6.0, 4.0, 8.0, 10, 10, group="change"),
    Metric("smog", 1.0, 0.0, 2.0, 10, 10, group="candidates"),
    Metric("smog", 2.0, 0.0, 3.0, 10, 10, group="selected"),
    Metric("smog", 1.0, -0.5, 2.0, 10, 10, group="change"),
    Metric("entropy", 1.0, 0.0, 2.0, 10, 10, group="candidates"),
    Metric("entropy", None, None, None, 0, 10, group="selected", reason="none"),
    Metric("entropy", None, None, None, 0, 10, group="change", reason="none"),
    Metric("mtld", 41.0, 37.0, 43.0, 8, 10, group="random"),
    Metric("mtld_p50", 39.0, None, None, 70, 80, group="candidates"),
    Metric("mtld_p50", 61.0, None, None, 8, 8, group="selected"),
    Metric("kept_prompts", 0.8, 0.6, 1.0, 10, 10, group="selected"),
    Metric("model_share", 0.25, 0.0, 0.5, 8, 8, group="org/a"),
    Metric("model_share", 0.75, 0.5, 1.0, 8, 8, group="org/b"),
]


@pytest.fixture
def report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of each line."""
    samples = [Sample("1", "p", text, {}) for text in ("one", "two", None)]
    config = {"target": "mtld", "direction": "max", "where": "lix < 50", "baseline": None}
    start = RunStart("select", "org/a, org/b", "scripted", config, 0, {})
    with Store(tmp_path / "a.db") as store, open_run(store, start) as run:
        work = Work(10, 0, 1, 0, 0, 1.0)
        place = ("select", "1", "d", "x", "0" * 64, False, 10)
        run.save(ProfileResult(*place, samples, METRICS, work))
    print_selection(tmp_path / "a.db", run.id)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_first_lines_say_what_was_done(report: list[list[str]]) -> None:
    assert " ".join(report[0]) == (
        "kept 8 of 10 prompts, by max mtld where lix < 50, from 2 completions of org/a, org/b"
    )
    assert (
        " ".join(report[1]) == "failed completions: 1; run the same command to ask for those only"
    )


def test_target_is_shown_before_and_after_beside_chance(report: list[list[str]]) -> None:
    assert ["mtld", "candidates", "random", "selected"] in report
    mean = "mean 40 (38 to 42) 41 (37 to 43) 60 (55 to 65)"
    assert mean.split() in report
    assert ["50%", "39", "-", "61"] in report
    assert ["n", "9/10", "8/10", "8/10"] in report


def test_shares_and_sure_changes_are_shown(report: list[list[str]]) -> None:
    assert ["org/b", "0.75", "(0.5", "to", "1)", "8"] in report
    assert ["lix", "30", "36", "6", "4", "to", "8", "10"] in report
    assert not any(line[:1] in (["smog"], ["entropy"]) for line in report)
    assert " ".join(report[-1]).startswith("1 of 3 other metrics changed beyond their interval")
