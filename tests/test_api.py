"""Options of the Python interface: the same as those of the commands."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer

import llmprof
from llmprof.cli.app import app
from llmprof.errors import LlmprofError, UsageError
from llmprof.jobs.benchmark.tasks import benchmark_job
from llmprof.jobs.profile import ProfileJob, profile_job
from llmprof.options import BenchmarkOptions, InheritOptions, ProfileOptions, SelectOptions

ROOT = Path(__file__).parents[1]


# What only a command has.
OF_THE_COMMAND = {"context", "config", "dry_run", "debug"}


# What is done with a job: several in a series, and where its results are sent.
WITH_JOBS = {"checkpoints", "series", "step", "track", "vary"}


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
    "toxicity_url": {"profilers": "toxicity", "toxicity_scorer": "moderation"},
    "perspective_url": {"profilers": "toxicity", "toxicity_scorer": "perspective"},
    "perspective_qps": {"profilers": "toxicity", "toxicity_scorer": "perspective"},
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


@pytest.mark.parametrize(
    "options", [ProfileOptions, BenchmarkOptions, SelectOptions, InheritOptions]
)
def test_a_path_may_be_a_text(options: type[Any]) -> None:
    kinds = {name: {*get_args(hint)} | {hint} for name, hint in get_type_hints(options).items()}
    assert [name for name, each in kinds.items() if Path in each and str not in each] == []
    if options is BenchmarkOptions:
        assert benchmark_job(options(include_path="tasks")).include_path == Path("tasks")


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
