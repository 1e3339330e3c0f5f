"""What a person reads of a run's metrics."""

from pathlib import Path

import pytest

from llmprof.records import Metric
from llmprof.report.terminal import print_run
from llmprof.results import ProfileResult, RunStart, Store, Work


def test_cautions_and_reasons_are_told_below_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = [
        Metric("sure", 0.25, 0.2, 0.3, 9, 10),
        Metric("doubtful", 0.5, 0.4, 0.6, 10, 10, reason="too few items"),
        Metric("undefined", None, None, None, 0, 10, reason="no answer"),
        Metric("point", 0.75, None, None, 1, 1, group="bin 01"),
    ]
    store = Store(tmp_path / "a.db")
    run = store.begin_run(RunStart("profile", "model", "scripted", {}, 0, {}))
    work = Work(10, 0, 0, 0, 0, 1.0)
    store.save_profile(
        run, ProfileResult("p", "1", "d", "folder:/d", "0" * 64, False, 10, [], metrics, work)
    )
    store.finish_run(run, "complete")
    store.close()
    print_run(tmp_path / "a.db", run)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "note (too few items): doubtful" in lines
    assert "not defined (no answer): undefined" in lines
    assert any(line.split() == ["sure", "0.25", "0.2", "to", "0.3", "9/10"] for line in lines)
    # The points of a diagram are not for reading.
    assert not any("point" in line for line in lines)
