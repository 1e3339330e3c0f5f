"""Python users get what the command line gives: the same jobs, results as values and frames."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import typer

import llmprof
from llmprof.cli.app import app
from llmprof.errors import LlmprofError, StoreError, UnknownNameError, UsageError
from llmprof.jobs.profile import ProfileJob, profile_job
from llmprof.options import ProfileOptions
from llmprof.results.reader import MetricRow, SampleRow

ROOT = Path(__file__).parents[1]
# What only a command has.
OF_THE_COMMAND = {"context", "config", "dry_run", "debug"}
# What is done with a job: several in a series, and where its results are sent.
WITH_JOBS = {"checkpoints", "series", "step", "track"}
SCRIPTED: dict[str, Any] = {"backend": "scripted", "data": "builtin", "quiet": True}
# A value of each option that is not its default.
OTHER: dict[str, Any] = {
    "model": "m",
    "profilers": "bbq",
    "backend": "scripted",
    "revision": "r",
    "adapter": "a",
    "dtype": "fp16",
    "quantize": "4bit",
    "device": "cpu",
    "device_map": "auto",
    "batch_size": 3,
    "trust_remote_code": True,
    "allow_pickle": True,
    "prompt_format": "chat",
    "system_prompt": "s",
    "max_new_tokens": 7,
    "seed": 5,
    "name": "n",
    "sample": 3,
    "sample_seed": 5,
    "pooling": "cls",
    "layer": 2,
    "base_url": "http://localhost:1/v1",
    "concurrency": 4,
    "rpm": 6.5,
    "timeout": 9.5,
    "max_response_mib": 1.5,
    "safety_mode": "OFF",
    "toxicity_scorer": "profanity",
    "toxicity_model": "t",
    "toxicity_labels": "labels.toml",
    "toxicity_language": "es",
    "toxicity_url": "http://localhost:3",
    "toxicity_bridge": "bridge.json",
    "toxicity_prompts": "challenging",
    "temperature": 0.5,
    "top_p": 0.8,
    "record": "recorded.jsonl",
    "missing": "missing.jsonl",
    "toxicity_samples": 8,
    "perspective_url": "http://localhost:2",
    "perspective_qps": 2.5,
    "bos_token": "<s>",
    "data": "builtin",
    "data_dir": "folder",
    "text_dataset": "strategyqa",
    "metrics": "n_tokens,mtld",
    "calibration_data": "hellaswag",
    "texts": Path("texts.jsonl"),
    "protocol": "toolkit",
    "limit": 11,
    "db": "other.db",
    "cache_dir": "cache",
    "offline": True,
    "quiet": True,
    "bbq_data": "kobbq",
    "bbq_language": "es",
    "completions": 4,
    "counterfactual_prompts": "dolly200_val",
    "crows_pairs_language": "fr",
    "refusal_judge": "classifier:c",
    "refusal_judge_url": "http://localhost:4",
    "thinking": "strip",
    "cluster": "auto",
    "data_parallel_size": 2,
    "executor": "ray",
    "language": "fr",
    "preference_data": "pairs.jsonl",
    "server_command": "serve {model} --port {port}",
    "server_wait": 12.0,
    "spacy_model": "en_core_web_lg",
    "tensor_parallel_size": 2,
}


# What some options need beside them: a backend or profiles that read them.
NETWORK = ("base_url", "concurrency", "rpm", "timeout", "max_response_mib", "bos_token")
SCORER = ("toxicity_scorer", "toxicity_model", "perspective_url", "perspective_qps")
SCORED = (
    *SCORER, "toxicity_samples", "toxicity_labels", "toxicity_language", "toxicity_url",
    "toxicity_bridge", "toxicity_prompts", "record", "missing",
)  # fmt: skip
VLLM = ("data_parallel_size", "executor", "tensor_parallel_size")
BESIDE: dict[str, dict[str, Any]] = {
    **{name: {"backend": "openai"} for name in NETWORK},
    **{name: {"profilers": "toxicity"} for name in SCORED},
    **{name: {"profilers": "textual"} for name in ("temperature", "top_p")},
    **{name: {"profilers": "seat"} for name in ("pooling", "layer")},
    "safety_mode": {"backend": "cohere"},
    "sample_seed": {"sample": 3},
    "calibration_data": {"profilers": "calibration"},
    "bbq_data": {"profilers": "bbq"},
    "bbq_language": {"profilers": "bbq"},
    "completions": {"profilers": "diversity"},
    "counterfactual_prompts": {"profilers": "counterfactual"},
    "crows_pairs_language": {"profilers": "crows_pairs"},
    "refusal_judge": {"profilers": "refusal"},
    "refusal_judge_url": {"profilers": "refusal", "refusal_judge": "openai:m"},
    "preference_data": {"profilers": "preferences"},
    "server_command": {"backend": "openai"},
    "server_wait": {"backend": "vllm"},
    **{name: {"backend": "vllm"} for name in VLLM},
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLMPROF_DB", "LLMPROF_DATA_DIR", "LLMPROF_CONFIG", "PERSPECTIVE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LLMPROF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def command() -> Any:
    group: Any = typer.main.get_command(app)
    return group.commands["profile"]


def test_options_are_those_of_the_command() -> None:
    names = {each.name for each in command().params} - OF_THE_COMMAND - {"help"}
    assert set(inspect.signature(llmprof.profile).parameters) == names
    assert names == {*OTHER, *WITH_JOBS}
    assert set(get_type_hints(llmprof.profile)) == {*names, "return"}


class _Reached(Exception):
    pass


def job_of_python(monkeypatch: pytest.MonkeyPatch, **options: Any) -> ProfileJob:
    """The job that a call makes, without running it."""
    jobs: list[ProfileJob] = []

    def stop(job: ProfileJob, listener: object) -> str:
        jobs.append(job)
        raise _Reached

    monkeypatch.setattr("llmprof.jobs.profile.run_profile", stop)
    with pytest.raises(_Reached):
        llmprof.profile(**options)
    return jobs[0]


def job_of_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> ProfileJob:
    """The job that a command line makes, without running it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # Restored afterwards: `--offline` sets it.
    values = command().make_context("profile", list(arguments)).params
    options = ProfileOptions(**{each.name: values[each.name] for each in fields(ProfileOptions)})
    return profile_job(options)


@pytest.mark.parametrize("name", OTHER)
def test_option_means_what_it_means_on_the_command_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = OTHER[name]
    flag = f"--{name.replace('_', '-')}"
    arguments = [value] if name == "model" else [flag] if value is True else [flag, str(value)]
    beside = BESIDE.get(name, {})
    arguments += [
        word for pair in beside.items() for word in (f"--{pair[0].replace('_', '-')}", str(pair[1]))
    ]
    made = job_of_python(monkeypatch, **{name: value}, **beside)
    assert made == job_of_command(monkeypatch, *arguments)
    if name != "quiet":
        assert made != job_of_python(monkeypatch, **beside)


def test_defaults_are_those_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert job_of_python(monkeypatch) == job_of_command(monkeypatch)
    defaults = {each.name: each.default for each in command().params}
    for name, parameter in inspect.signature(llmprof.profile).parameters.items():
        shown = defaults[name]
        # Two are written otherwise there: LLMPROF_DB goes before the file that the help shows.
        expected = {"batch_size": "auto", "db": "llmprof.db"}.get(name, parameter.default)
        assert shown == expected, name


def test_environment_counts_as_for_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMPROF_DB", "named.db")
    monkeypatch.setenv("LLMPROF_DATA_DIR", "/data")
    made = job_of_python(monkeypatch)
    assert made == job_of_command(monkeypatch)
    assert (made.db, made.data.folder) == (Path("named.db"), Path("/data"))
    assert made.cache_dir == tmp_path / "cache"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"toxicity_samples": 0}, "toxicity_samples is 0"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
        ({"rpm": 0}, "rpm is 0"),
        ({"perspective_qps": 0}, "perspective_qps is 0"),
        ({"timeout": 0.0}, "timeout is 0.0"),
        ({"concurrency": 0}, "concurrency is 0"),
        ({"profilers": []}, "no profiler named"),
        ({"profilers": ["textual", "nonsense"]}, "unknown profiler 'nonsense'"),
        ({"backend": "nonsense"}, "unknown backend 'nonsense'"),
        ({"protocol": "nonsense"}, "unknown protocol"),
        ({"data_dir": "/no/such/folder", "data": None}, "/no/such/folder"),
    ],
    ids=str,
)
def test_bad_option_is_one_clear_error(options: dict[str, Any], words: str) -> None:
    with pytest.raises(LlmprofError, match=words) as raised:
        llmprof.profile(**{**SCRIPTED, **options})
    assert "\n" not in str(raised.value)


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


def test_runs_are_chosen_by_the_beginning_of_their_id_or_all() -> None:
    first, second = (
        llmprof.profile(model, **SCRIPTED, profilers="crows_pairs", limit=2).runs[0]
        for model in "ab"
    )
    assert [run.id for run in llmprof.load_results().runs] == [first.id, second.id]
    assert llmprof.load_results("llmprof.db", run=first.id[:22]).runs == (first,)
    both = llmprof.load_results(run=[second.id, first.id])
    assert both.runs == (second, first)
    assert {metric.model for metric in both.metrics} == {"a", "b"}
    assert llmprof.load_results(run="20").runs == (second,)
    with pytest.raises(StoreError, match=r"no run '1999'.*llmprof runs"):
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


def test_import_is_light_and_offers_the_public_names() -> None:
    script = (
        "import sys, llmprof; "
        "print([name for name in sys.modules if name.startswith('llmprof.')]); "
        "print(dir(llmprof)); from llmprof import profile, load_results, Results; "
        "print([n for n in ('torch', 'pandas', 'numpy', 'spacy', 'httpx', 'rich') "
        "if n in sys.modules]); llmprof.nothing"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    new, names, heavy = done.stdout.splitlines()
    assert new == "[]"
    assert all(repr(name) in names for name in (*llmprof.__all__, "__version__"))
    assert heavy == "[]"
    assert done.stderr.strip().endswith("module 'llmprof' has no attribute 'nothing'")


def test_range_errors_of_options_are_usage_errors() -> None:
    with pytest.raises(UsageError):
        llmprof.profile(**SCRIPTED, limit=-3)


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
