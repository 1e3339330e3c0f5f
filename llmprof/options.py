"""What a user may say, with its default: on the command line and in Python alike.

Imports nothing but the standard library, since every command reads its defaults from here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from llmprof.requests import RequestType

DEFAULT_BACKEND = "huggingface"
DEFAULT_PROFILERS = "textual,crows_pairs"
DEFAULT_DB = Path("llmprof.db")
DEFAULT_PERSPECTIVE_QPS = 1.0
_PERSPECTIVE_KEY = "PERSPECTIVE_API_KEY"
_SECONDS_PER_MINUTE = 60.0
PROTOCOLS = ("original", "toolkit")
_SET_BY_BACKENDS = {"toxicity_scorer", "chat", "capabilities", "scorer_model", "scorers"}


def check_positive(**values: float | None) -> None:
    """Raise UsageError, with the option's name, for a number that is given and not above 0."""
    for name, value in values.items():
        if value is not None and value <= 0:
            raise UsageError(f"{name} is {value}; give a number above 0, or leave it out")


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """What a user may say about how a model is loaded or reached; None leaves it to the backend.

    `batch_size` None is automatic. `requests_per_minute` is the rate a provider allows,
    `timeout_seconds` how long one answer may take, `max_response_mib` how large it may be, in MiB
    and decompressed; `bos_token` begins a text where a server's tokenizer adds nothing. `cache_dir`
    holds converted models and what was measured about this machine. Keys and tokens are not here:
    each backend reads its own from the environment, so that they cannot be stored by accident.
    """

    model: str | None = None
    revision: str | None = None
    adapter: str | None = None
    dtype: str = "auto"
    quantize: str = "none"
    device: str = "auto"
    device_map: str | None = None
    batch_size: int | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    offline: bool = False
    base_url: str | None = None
    concurrency: int | None = None
    requests_per_minute: float | None = None
    timeout_seconds: float | None = None
    max_response_mib: float = 32.0
    safety_mode: str | None = None
    bos_token: str | None = None
    cache_dir: Path | None = None
    label_map: Path | None = None
    language: str = "en"

    def __post_init__(self) -> None:
        check_positive(
            batch_size=self.batch_size,
            concurrency=self.concurrency,
            rpm=self.requests_per_minute,
            timeout=self.timeout_seconds,
            max_response_mib=self.max_response_mib,
        )


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where data come from: `data` is `hub`, `builtin` or a folder; `limit` takes the first N.

    When `data` is None it is `data_dir` if that is given, else the Hub.
    """

    data: str | None = None
    data_dir: Path | None = None
    offline: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        check_positive(limit=self.limit)

    @property
    def folder(self) -> Path | None:
        """The folder to read from; None for the Hub and the built-in samples."""
        if self.data is None:
            return self.data_dir
        return None if self.data in ("hub", "builtin") else Path(self.data)


@dataclass(frozen=True, slots=True)
class ScorerFacts:
    """What a profile has to know of one scorer of a run.

    `categories` are those of a policy, by the scorer's own names; a scorer of toxicity has none.
    `bridges` are the contents of files of `llmprof bridge fit` that start from this scorer.
    """

    name: str
    model: str | None
    categories: tuple[str, ...] = ()
    bridges: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class ProfilerOptions:
    """What a user may say about how a profile is made.

    `protocol` is `original` (each benchmark as its authors define it) or `toolkit` (as the scripts
    of "LLM See, LLM Do" do it). The last four are not the user's: `chat` says whether the
    backend's model is meant to be asked with messages (`Backend.chat`), which `prompt_format`
    "auto" follows, `capabilities` what can be answered, for a profiler that has two ways, and
    `scorer_model` the model behind `toxicity_scorer`, where it may be one of several. `scorers`
    are all of a run that has several, or that measures a policy.
    """

    text_dataset: str = "dolly200_test"
    calibration_data: str | None = None
    max_new_tokens: int = 128
    seed: int = 0
    prompt_format: str = "auto"
    system_prompt: str | None = None
    protocol: str = "original"
    toxicity_samples: int = 25
    toxicity_scorer: str | None = None
    pooling: str = "mean"
    layer: int = -1
    metrics: str | None = None
    chat: bool = False
    capabilities: frozenset[RequestType] = frozenset()
    scorer_model: str | None = None
    scorers: tuple[ScorerFacts, ...] = ()

    def __post_init__(self) -> None:
        check_positive(max_new_tokens=self.max_new_tokens, toxicity_samples=self.toxicity_samples)
        if self.protocol not in PROTOCOLS:
            raise UnknownNameError(
                f"unknown protocol {self.protocol!r}; choose one of: {', '.join(PROTOCOLS)}"
            )


# The defaults of both front ends.
MODEL = BackendOptions()
PROFILE = ProfilerOptions()


def backend_options(values: Mapping[str, Any], cache_dir: Path) -> BackendOptions:
    """The options of a backend among `values`, which have the command line's names.

    Raises:
        UsageError: a number is not above 0.
    """
    names = {each.name for each in fields(BackendOptions)}
    known = {name: value for name, value in values.items() if name in names}
    renamed = {"requests_per_minute": values["rpm"], "timeout_seconds": values["timeout"]}
    return BackendOptions(**{**known, **renamed, "cache_dir": cache_dir})


def profiler_options(values: Mapping[str, Any]) -> ProfilerOptions:
    """What a user says about profiles among `values`, which have the command line's names.

    Raises:
        UsageError: a number is not above 0, or the protocol is not known.
    """
    asked = {each.name for each in fields(ProfilerOptions)} - _SET_BY_BACKENDS
    return ProfilerOptions(**{name: values[name] for name in asked})


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """A scorer by name, how it is reached, and what to tell a user who did not name one."""

    name: str
    options: BackendOptions
    notice: str | None = None


def asked_scorer(values: Mapping[str, Any], cache_dir: Path) -> ScorerChoice:
    """The scorer that `values` ask for, which have the command line's names.

    Raises:
        UsageError: `perspective_qps`, in requests a second, is not above 0.
    """
    check_positive(perspective_qps=values["perspective_qps"])
    options = BackendOptions(
        model=values["toxicity_model"],
        device=values["device"],
        offline=values["offline"],
        allow_pickle=values["allow_pickle"],
        base_url=values["perspective_url"],
        requests_per_minute=values["perspective_qps"] * _SECONDS_PER_MINUTE,
        cache_dir=cache_dir,
    )
    return choose_scorer(values["toxicity_scorer"], options)


def choose_scorer(name: str | None, options: BackendOptions) -> ScorerChoice:
    """The scorer that the user named; else Perspective with a key, or else the local classifier.

    A user who names a model for the scorer means the classifier.
    """
    if name is not None:
        return ScorerChoice(name, options)
    if options.model is None and os.environ.get(_PERSPECTIVE_KEY):
        name, why = "perspective", f"{_PERSPECTIVE_KEY} is set"
    elif options.model is None:
        name, why = "classifier", f"a local model, since {_PERSPECTIVE_KEY} is not set"
    else:
        name, why = "classifier", "a model is named for it"
    notice = f"toxicity is scored by {name} ({why}); --toxicity-scorer chooses another"
    return ScorerChoice(name, options, notice)


def cache_folder(chosen: str | Path | None) -> Path:
    """The cache folder to use: the one chosen, else the environment's, else the user's."""
    from platformdirs import user_cache_path

    return _path(chosen, "LLMPROF_CACHE_DIR") or user_cache_path("llmprof")


def data_folder(chosen: str | Path | None) -> Path | None:
    """The folder of data sets to use, if one is chosen or the environment has one."""
    return _path(chosen, "LLMPROF_DATA_DIR")


def database_file(chosen: str | Path | None) -> Path:
    """The results database to use: the one chosen, else the environment's, else the default."""
    return _path(chosen, "LLMPROF_DB") or DEFAULT_DB


def _path(chosen: str | Path | None, variable: str) -> Path | None:
    found = chosen or os.environ.get(variable)
    return Path(found) if found else None
