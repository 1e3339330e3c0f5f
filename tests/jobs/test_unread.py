"""Options that nothing reads are refused, and what is read is declared as it is."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends.registry import SCORERS, backend_reads, scorer_reads
from llmprof.errors import UsageError
from llmprof.jobs.agreement import agreement_job
from llmprof.jobs.benchmark import benchmark_job
from llmprof.jobs.bridge import bridge_job
from llmprof.jobs.profile import profile_job
from llmprof.jobs.score import score_job
from llmprof.jobs.select import select_job
from llmprof.jobs.unread import OF_EVERY_PROFILE
from llmprof.options import (
    AgreementOptions,
    BackendOptions,
    BenchmarkOptions,
    BridgeOptions,
    DataOptions,
    ProfileOptions,
    ProfilerOptions,
    ScoreOptions,
    ScorerChoice,
    SelectOptions,
    declared,
)
from llmprof.profilers import ModelFacts, create_profiler, for_model
from llmprof.profilers.registry import BUILT_IN
from llmprof.requests import Generate
from tests.command_line import llmprof as run

SELECT: dict[str, Any] = {"output": Path("a.jsonl"), "target": "mtld"}
# Which modules of a backend are given its options.
MODULES = {
    "huggingface": (
        "huggingface.backend",
        "huggingface.model",
        "huggingface.load_options",
        "workers.spread",
    ),
    "openai": (
        "openai",
        "managed.own_command",
        "managed.served_model",
        "network.transport",
    ),
    "vllm": ("managed.vllm_serve", "managed.served_model", "network.transport"),
    "cohere": ("cohere", "network.transport"),
    "replay": ("replay",),
}
UNDERSTOOD = {"model", "cache_dir", "offline"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "openai", "quantize": "4bit"}, "'openai' does not use --quantize"),
        ({"backend": "cohere", "device_map": "auto"}, "'cohere' does not use --device-map"),
        ({"backend": "openai", "safety_mode": "OFF"}, "'openai' does not use --safety-mode"),
        ({"base_url": "http://localhost:1"}, "'huggingface' does not use --base-url"),
        ({"backend": "replay", "rpm": 3.0}, "'replay' does not use --rpm"),
        (
            {"profilers": "textual", "layer": 3},
            r"--layer is not used by textual.*: diversity, seat",
        ),
        ({"profilers": ["seat", "bbq"], "metrics": "mtld"}, "--metrics is not used by seat, bbq"),
        ({"profilers": "bias", "toxicity_samples": 5}, r"--toxicity-samples.*: toxicity"),
        ({"toxicity_scorer": "profanity"}, "--toxicity-scorer needs a toxicity scorer"),
        ({"perspective_qps": 5.0}, "--perspective-qps needs a toxicity scorer"),
        ({"record": "answers.jsonl"}, "--record needs a toxicity scorer"),
    ],
    ids=str,
)
def test_option_of_another_backend_or_profile_is_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        profile_job(ProfileOptions(**options))
    # From a file that serves several commands it is passed over.
    profile_job(ProfileOptions(**options), configured=options.keys())


@pytest.mark.parametrize(
    "options",
    [
        {
            "backend": "openai",
            "device": "cpu",
            "allow_pickle": True,
            "profilers": "toxicity",
            "toxicity_scorer": "classifier",
        },
        {"profilers": "textual,seat", "layer": 3, "max_new_tokens": 9},
        {
            "profilers": "crows_pairs",
            "max_new_tokens": 5,
            "seed": 3,
            "protocol": "toolkit",
            "prompt_format": "chat",
        },
        {"backend": "openai", "offline": True, "quantize": "none", "profilers": "textual"},
        {"backend": "scripted", "quantize": "4bit", "rpm": 3.0},
    ],
    ids=str,
)
def test_option_that_something_reads_is_taken(options: dict[str, Any]) -> None:
    profile_job(ProfileOptions(**options))


def test_select_and_benchmark_refuse_them_too() -> None:
    with pytest.raises(UsageError, match="'openai' does not use --dtype"):
        select_job(SelectOptions(**SELECT, backend="openai", dtype="fp16"))
    with pytest.raises(UsageError, match="--perspective-url needs a toxicity scorer"):
        select_job(SelectOptions(**SELECT, perspective_url="http://localhost:1"))
    with pytest.raises(UsageError, match="'cohere' does not use --adapter"):
        benchmark_job(BenchmarkOptions(backend="cohere", adapter="a"))
    with pytest.raises(UsageError, match="--thinking needs a chat template, and tasks are asked"):
        benchmark_job(BenchmarkOptions(thinking="off"))
    benchmark_job(BenchmarkOptions(thinking="off", apply_chat_template=True))
    benchmark_job(BenchmarkOptions(thinking="off"), configured={"thinking"})
    with pytest.raises(UsageError, match="--thinking needs a chat template, and --prompt-format"):
        select_job(SelectOptions(**SELECT, thinking="off", prompt_format="completion"))
    select_job(SelectOptions(**SELECT, backend="openai", dtype="fp16"), configured={"dtype"})
    benchmark_job(BenchmarkOptions(backend="cohere", adapter="a"), configured={"adapter"})


def test_texts_refuse_options_of_a_scorer_that_is_not_used(tmp_path: Path) -> None:
    texts = {"texts": tmp_path / "a.jsonl", "device": "cpu"}
    with pytest.raises(UsageError, match="without a model, so --device is not used; remove it"):
        profile_job(ProfileOptions(**texts))
    profile_job(ProfileOptions(**texts, profilers="toxicity", toxicity_scorer="classifier"))


# Values of options that only some scorers read, all different from the defaults.
_OF_SCORERS: dict[str, Any] = {
    "toxicity_labels": "labels.toml",
    "toxicity_url": "http://localhost:1",
    "perspective_url": "http://localhost:1",
    "perspective_qps": 4.0,
    "device": "cpu",
    "cluster": "auto",
    "allow_pickle": True,
}


@pytest.mark.parametrize("scorer", SCORERS)
@pytest.mark.parametrize("name", _OF_SCORERS)
def test_option_of_another_scorer_is_refused(scorer: str, name: str) -> None:
    given = {name: _OF_SCORERS[name]}
    texts = {"sources": ["a.jsonl"], "toxicity_scorer": scorer}
    flag = f"--{name.replace('_', '-')}"
    refused = f"^scorer {scorer} does not use {flag}; remove it, or choose another scorer$"
    jobs: list[Callable[..., object]] = [
        lambda **more: score_job(ScoreOptions(**texts, **given), **more),
        lambda **more: agreement_job(AgreementOptions(scorer=scorer, **given), **more),
        lambda **more: bridge_job(
            BridgeOptions(scorer=scorer, reference="recorded", output=Path("b.json"), **given),
            **more,
        ),
    ]
    for make in jobs:
        if name in (scorer_reads(ScorerChoice(scorer, BackendOptions())) or ()):
            make()
        else:
            with pytest.raises(UsageError, match=refused):
                make()
            # From a file that serves several commands it is passed over.
            make(configured={name})


def test_of_several_scorers_one_that_reads_an_option_is_enough() -> None:
    several = {"profilers": "toxicity", "toxicity_scorer": "profanity,classifier"}
    profile_job(ProfileOptions(**several, toxicity_labels="a.toml", device="cpu"))
    # The model reads it too.
    profile_job(ProfileOptions(profilers="toxicity", toxicity_scorer="profanity", device="cpu"))
    with pytest.raises(UsageError, match="profanity,classifier does not use --perspective-qps"):
        profile_job(ProfileOptions(**several, perspective_qps=4.0))
    with pytest.raises(UsageError, match="scorer profanity does not use --toxicity-url"):
        profile_job(
            ProfileOptions(
                profilers="toxicity", toxicity_scorer="profanity", toxicity_url="http://a"
            )
        )
    select = {**SELECT, "target": "toxicity", "toxicity_scorer": "profanity"}
    with pytest.raises(UsageError, match="scorer profanity does not use --toxicity-url"):
        select_job(SelectOptions(**select, toxicity_url="http://a"))
    select_job(SelectOptions(**select, device="cpu"))


@pytest.mark.parametrize("scorer", SCORERS)
def test_scorer_declares_what_it_reads(scorer: str) -> None:
    """Of the options that `scorer_choice` gives to a scorer, those in its own source."""
    modules = {"classifier": ("toxicity.classifier", *MODULES["huggingface"][1:])}
    names = modules.get(scorer, (f"toxicity.{scorer}",))
    if scorer in ("perspective", "moderation"):
        names = (*names, "network.transport")
    sources = (inspect.getsource(import_module(f"llmprof.backends.{module}")) for module in names)
    used = set(re.findall(r"options\.(\w+)", "\n".join(sources)))
    like_perspective = scorer == "perspective"
    given_as = {
        "toxicity_labels": "label_map",
        "toxicity_url": "base_url" if scorer in ("moderation", "guard") else None,
        "perspective_url": "base_url" if like_perspective else None,
        "perspective_qps": "rpm" if like_perspective else None,
        **{name: name for name in ("device", "cluster", "allow_pickle")},
    }
    found = {name for name, field in given_as.items() if field in used}
    if scorer == "guard":
        # The backend behind it reads them, all but the cluster.
        found = {"toxicity_url", "device", "allow_pickle"}
    assert found == scorer_reads(ScorerChoice(scorer, BackendOptions()))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"combine": "pareto"}, "^--combine pareto combines several targets"),
        ({"diverse": True, "baseline": "random"}, "^--diverse has no effect on --baseline random"),
    ],
    ids=str,
)
def test_ways_of_choosing_without_effect_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        select_job(SelectOptions(**SELECT, **options))
    select_job(SelectOptions(**SELECT, **options), configured=options.keys())


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("sql --param a=b", "--param is for a query or a recipe, and none is given"),
        ("sql 'SELECT 1' --param a=b", "--param a: the query has no :a; remove it"),
        ("sql change --param a=b", "--param a: the query has no :a; remove it"),
        ("report --series a --seeds each", "--series shows one run per step, so --seeds is not"),
        ("profile --texts a.jsonl --data builtin", "of its own, so --data is not used; remove"),
    ],
)
def test_commands_refuse_options_without_effect(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "a.jsonl").touch()
    done = run(*shlex.split(line), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and done.stderr.count("\n") == 1


def test_command_line_is_refused_what_a_file_may_hold(tmp_path: Path) -> None:
    place = ("--data", "builtin", "--db", tmp_path / "a.db", "--cache-dir", tmp_path)
    line = ("profile", "--backend", "scripted", "--profilers", "crows_pairs", *place)
    done = run(*line, "--layer", 2, cwd=tmp_path)
    assert done.returncode == 2
    assert "--layer is not used by crows_pairs" in done.stderr
    (tmp_path / "llmprof.toml").write_text("layer = 2\n")
    assert run(*line, "--limit", 2, cwd=tmp_path).returncode == 0


@pytest.mark.parametrize("backend", MODULES)
def test_backend_declares_what_it_reads(backend: str) -> None:
    sources = (
        inspect.getsource(import_module(f"llmprof.backends.{module}"))
        for module in MODULES[backend]
    )
    used = set(re.findall(r"options\.(\w+)", "\n".join(sources)))
    used &= declared(BackendOptions).keys()
    assert used - UNDERSTOOD == backend_reads(backend)


class _Recorded:
    """Options that remember which of them were read."""

    def __init__(self, options: object) -> None:
        self.read: set[str] = set()
        self._options = options

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self._options, name)


@pytest.mark.parametrize("name", BUILT_IN)
def test_profile_declares_what_it_reads(name: str) -> None:
    read: set[str] = set()
    for capabilities in (frozenset[Any](), frozenset[Any]({Generate})):
        options: Any = _Recorded(ProfilerOptions())
        facts = ModelFacts(capabilities=capabilities, scorer="s", scorer_model="m")
        profiler = for_model(create_profiler(name, options), facts)
        assert profiler.version
        for dataset in profiler.load(DataOptions(data="builtin", limit=2)):
            for item in dataset.items:
                profiler.requests(item)
        read |= options.read
    declared_by_it: frozenset[str] = profiler.reads  # type: ignore[attr-defined]
    assert read & declared(ProfilerOptions).keys() - OF_EVERY_PROFILE == declared_by_it
