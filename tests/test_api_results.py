"""Calls of the Python interface: results, data frames, event loops and interrupts."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

import llmprof
from llmprof.errors import LlmprofError, StoreError, UnknownNameError, UsageError
from llmprof.results.reader import MetricRow, SampleRow

ROOT = Path(__file__).parents[1]


SCRIPTED: dict[str, Any] = {"backend": "scripted", "data": "builtin", "quiet": True}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLMPROF_DB", "LLMPROF_DATA_DIR", "LLMPROF_CONFIG", "PERSPECTIVE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLMPROF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_profile_returns_what_is_stored(tmp_path: Path) -> None:
    results = llmprof.profile("m", **SCRIPTED, profilers=["crows_pairs", "seat"], limit=6)
    (run,) = results.runs
    assert (run.model, run.backend, run.status, run.seed) == ("m", "scripted", "complete", 0)
    assert run.config["identity"] == {"backend": "scripted", "model": "m"}
    with sqlite3.connect(tmp_path / "llmprof.db") as connection:
        stored = connection.execute(
            'SELECT profiler, metric, "group", value, ci_low, ci_high, n, n_total FROM metrics'
        ).fetchall()
    got = [
        (m.profiler, m.metric, m.group, m.value, m.ci_low, m.ci_high, m.n, m.n_total)
        for m in results.metrics
    ]
    assert sorted(got) == sorted(stored)
    assert all(metric.demonstration is True for metric in results.metrics)
    assert len(results.samples("crows_pairs")) == 6
    assert {each.profiler for each in results.samples()} == {"crows_pairs", "seat"}
    assert results.samples("textual") == []
    with pytest.raises(AttributeError):
        results.runs = ()  # type: ignore[misc]


def test_frames_have_a_row_a_record_and_a_column_a_score() -> None:
    results = llmprof.profile("m", **SCRIPTED, profilers="crows_pairs,seat", limit=6)
    metrics = results.metrics_frame()
    assert list(metrics.columns) == list(MetricRow.__dataclass_fields__)
    assert metrics["n"].tolist() == [metric.n for metric in results.metrics]
    undefined = [metric.value is None for metric in results.metrics]
    assert metrics["value"].isna().tolist() == undefined
    assert metrics["value"].dtype == metrics["ci_low"].dtype == "float64"
    frame = results.samples_frame()
    names = list(SampleRow.__dataclass_fields__)
    names.remove("scores")
    assert list(frame.columns[: len(names)]) == names
    for (_, row), sample in zip(frame.iterrows(), results.samples(), strict=True):
        assert (row["sample_id"], row["prompt"]) == (sample.sample_id, sample.prompt)
        for name in frame.columns[len(names) :]:
            expected = sample.scores.get(name)
            assert expected == row[name] if expected is not None else row[name] != row[name]
    pairs = results.samples_frame("crows_pairs")
    overall = metrics[(metrics.metric == "stereotype_score") & (metrics.group == "overall")]
    assert overall["value"].item() == pytest.approx(100 * pairs["stereotypical"].mean())


def test_frame_keeps_a_score_that_is_called_like_a_field() -> None:
    results = llmprof.profile("m", **SCRIPTED, profilers="crows_pairs", limit=2)
    with sqlite3.connect("llmprof.db") as connection:
        connection.execute("""UPDATE samples SET scores = '{"prompt": 0.5, "x": null}'""")
    frame = results.samples_frame()
    assert frame["prompt"].tolist() == [sample.prompt for sample in results.samples()]
    assert frame["prompt_score"].tolist() == [0.5, 0.5]
    assert frame["x"].isna().all()


def test_frames_of_nothing_have_their_columns() -> None:
    llmprof.profile("m", **SCRIPTED, profilers="crows_pairs", limit=2)
    with sqlite3.connect("llmprof.db") as connection:
        connection.execute("UPDATE runs SET status = 'failed'")
    nothing = llmprof.load_results()
    assert (nothing.runs, nothing.metrics) == ((), ())
    assert list(nothing.metrics_frame().columns) == list(MetricRow.__dataclass_fields__)
    assert len(nothing.samples_frame()) == 0
    assert "response" in nothing.samples_frame().columns


def test_runs_are_chosen_by_any_of_their_names_or_all() -> None:
    first, second = (
        llmprof.profile(model, **SCRIPTED, profilers="crows_pairs", limit=2).runs[0]
        for model in "ab"
    )
    assert [run.id for run in llmprof.load_results().runs] == [first.id, second.id]
    assert llmprof.load_results("llmprof.db", run=first.id[:22]).runs == (first,)
    both = llmprof.load_results(run=[second.id, first.id])
    assert both.runs == (second, first)
    assert {metric.model for metric in both.metrics} == {"a", "b"}
    assert llmprof.load_results(run=["@1", "a"]).runs == (second, first)
    with pytest.raises(UnknownNameError, match="20: 2 runs match"):
        llmprof.load_results(run="20")
    with pytest.raises(UnknownNameError, match="1999"):
        llmprof.load_results(run="1999")
    with pytest.raises(StoreError, match="llmprof profile"):
        llmprof.load_results("none.db")


def test_same_call_again_asks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    loud = {**SCRIPTED, "quiet": False, "profilers": "crows_pairs", "limit": 3}
    first = llmprof.profile("m", **loud)
    assert "6/6 done, 0 cached" in capsys.readouterr().err
    second = llmprof.profile("m", **loud)
    assert "6/6 done, 6 cached" in capsys.readouterr().err
    assert [m.value for m in first.metrics] == [m.value for m in second.metrics]
    assert first.runs[0].id != second.runs[0].id


def test_scorer_that_was_chosen_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    loud = {**SCRIPTED, "quiet": False, "profilers": "toxicity", "offline": True}
    with pytest.raises(LlmprofError):
        llmprof.profile("m", **loud, toxicity_model="/no/such/model")
    assert capsys.readouterr().err.startswith("llmprof: toxicity is scored by classifier")


def test_works_where_an_event_loop_runs() -> None:
    async def cell() -> tuple[llmprof.Results, asyncio.AbstractEventLoop]:
        results = llmprof.profile("m", **SCRIPTED, profilers="crows_pairs", limit=3)
        await asyncio.sleep(0)
        return results, asyncio.get_running_loop()

    results, loop = asyncio.run(cell())
    assert results.runs[0].status == "complete"
    assert loop.is_closed()
    assert [each.name for each in threading.enumerate() if "portal" in each.name.lower()] == []


def test_error_in_an_event_loop_is_the_same_error() -> None:
    async def cell() -> None:
        llmprof.profile("m", **SCRIPTED, profilers="nonsense")

    with pytest.raises(UnknownNameError, match="nonsense"):
        asyncio.run(cell())


CELL = """
    import asyncio
    import llmprof
    from llmprof.backends import registry
    from llmprof.backends.scripted import ScriptedBackend

    class Slow(ScriptedBackend):
        async def answer(self, requests, seeds, sink):
            await super().answer(requests[:3], seeds[:3], sink)
            print("asking", flush=True)
            await asyncio.sleep(600)

    import sys
    sys.modules["slow"] = type(sys)("slow")
    sys.modules["slow"].create = lambda options: Slow()
    registry.BUILT_IN["slow"] = "slow:create"

    async def cell():
        try:
            llmprof.profile(backend="slow", data="builtin", profilers="crows_pairs", quiet=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)

    # As a notebook's kernel: the loop's own handler of Ctrl-C is not in place.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(cell())
"""


def test_interrupted_cell_stops_and_keeps_what_was_answered(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CELL)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "asking\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert (output, process.returncode) == ("interrupted\n", 0)
    with sqlite3.connect(tmp_path / "llmprof.db") as connection:
        assert connection.execute("SELECT status FROM runs").fetchall() == [("interrupted",)]
    from llmprof.cache import open_cache

    with open_cache(tmp_path / "cache") as cache:
        assert cache.info().entries == 3


def test_select_writes_its_file_and_tells_what_it_did(tmp_path: Path) -> None:
    results = llmprof.select(
        output="data.jsonl", target="generated_tokens", k=2, limit=3, models=["a", "b"],
        **SCRIPTED,
    )  # fmt: skip
    assert len((tmp_path / "data.jsonl").read_text().splitlines()) == 3
    assert [run.command for run in results.runs] == ["select"]
    assert sum(each.scores["selected"] == 1 for each in results.samples()) == 3


def test_compare_gives_the_changes_that_the_command_shows(tmp_path: Path) -> None:
    for model in ("before", "after"):
        llmprof.profile(model, profilers="crows_pairs", limit=8, **SCRIPTED)
    report = llmprof.compare("before", "after")
    assert [run.model for run in report.runs] == ["before", "after"]
    assert report.baseline == 0
    change = report.sections[0].rows[0].changes[1]
    assert change is not None and change.n == 8


def test_gates_are_decided_as_the_command_decides_them(tmp_path: Path) -> None:
    for model in ("before", "after"):
        llmprof.profile(model, profilers="crows_pairs", limit=8, **SCRIPTED)
    wide = "crows_pairs/stereotype_score > +99"
    passed = llmprof.gate("before", "after", wide)
    assert passed.passed and passed.exit_code == 0
    (tmp_path / "gates.toml").write_text(
        f'before = "before"\nafter = "after"\nfail-if = ["{wide}"]'
    )
    more = "crows_pairs/stereotype_score > -99"
    failed = llmprof.gate(file="gates.toml", fail_if=[more])
    assert [str(each.verdict) for each in failed.decisions] == ["passed", "failed"]
    assert not failed.passed and failed.exit_code == 3
    done = subprocess.run(
        [sys.executable, "-m", "llmprof", "gate", "gates.toml", "--fail-if", more],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 3 and "gates: 1 passed, 1 failed" in done.stdout, done.stderr
    with pytest.raises(UsageError, match="two runs or models"):
        llmprof.gate("before", fail_if=wide)
