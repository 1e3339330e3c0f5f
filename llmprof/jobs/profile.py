"""The `profile` command: prepare its profilers, data and backends; plan or run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.backends import Backend, create_backend
from llmprof.backends.registry import create_scorers
from llmprof.backends.text_metrics import create_text_metrics
from llmprof.errors import CapabilityError
from llmprof.jobs.dry_run import Plan, plan_prepared
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.jobs.scorers import (
    NOTHING_RECORDED,
    Recording,
    recording,
    scorer_config,
    scorer_options,
)
from llmprof.jobs.windows import Listener
from llmprof.metrics.text import chosen_names
from llmprof.options import (
    BackendOptions,
    DataOptions,
    ProfilerOptions,
    ScorerChoice,
    asked_scorer,
    backend_options,
    cache_folder,
    data_folder,
    database_file,
    profiler_options,
)
from llmprof.profilers import (
    Profiler,
    create_profiler,
    parse_profilers,
    profiler_names,
)
from llmprof.requests import DescribeText, RequestType, Toxicity
from llmprof.results import RunStart, Store
from llmprof.results.provenance import git_revision, package_versions


@dataclass(frozen=True, slots=True)
class ProfileJob:
    """The options of one `llmprof profile`; `scorer` scores toxicity."""

    profilers: tuple[str, ...]
    backend: str
    backend_options: BackendOptions
    data: DataOptions
    options: ProfilerOptions
    db: Path
    cache_dir: Path
    scorer: ScorerChoice | None = None
    bridges: tuple[str, ...] = ()
    recording: Recording = NOTHING_RECORDED

    @property
    def notice(self) -> str | None:
        """What to tell the user about a default that was chosen for them."""
        if self.scorer is None or not needs_scorer(self.profilers):
            return None
        return self.scorer.notice


def profile_job(values: Mapping[str, Any]) -> ProfileJob:
    """The job that `values` ask for: one for each option of `llmprof profile`, by its name.

    `profilers` is a comma-separated list; `batch_size` is a number, or None for automatic.

    Raises:
        UsageError: a value is out of its range or names nothing.
    """
    cache_dir = cache_folder(values["cache_dir"])
    return ProfileJob(
        profilers=parse_profilers(values["profilers"]),
        backend=values["backend"],
        backend_options=backend_options(values, cache_dir),
        data=DataOptions(
            data=values["data"],
            data_dir=data_folder(values["data_dir"]),
            offline=values["offline"],
            limit=values["limit"],
        ),
        options=profiler_options(values),
        db=database_file(values["db"]),
        cache_dir=cache_dir,
        scorer=asked_scorer(values, cache_dir),
        recording=recording(values["record"], values["missing"]),
    )


def plan_profile(job: ProfileJob) -> list[Plan]:
    """What `run_profile` would ask; asks nothing and writes no results.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    return plan_prepared(_prepare(job), job.cache_dir)


def run_profile(job: ProfileJob, listener: Listener) -> str:
    """Run the job and return the run's id; whatever was answered before comes from the cache.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    # Open the store first: the user hears at once of a folder that cannot be written.
    with Store(job.db) as store:
        prepared = _prepare(job)
        return run_prepared(prepared, _start(job, prepared), store, job.cache_dir, listener)


def _prepare(job: ProfileJob) -> Prepared:
    # Load data and scorer first: the user hears what is missing before a model is converted.
    data = [create_profiler(name, job.options).load(job.data) for name in job.profilers]
    scorers = create_scorers(job.scorer) if job.scorer and needs_scorer(job.profilers) else {}
    text_metrics = _text_metrics(job)
    backend = create_backend(job.backend, job.backend_options)
    offered = backend.capabilities | {DescribeText}
    options = replace(job.options, chat=backend.chat, capabilities=offered)
    if scorers:
        options = replace(
            options,
            capabilities=offered | {Toxicity},
            **scorer_options(scorers, job.bridges),
        )
    profilers = [create_profiler(name, options) for name in job.profilers]
    _check_capabilities(backend, options.capabilities, profilers)
    loaded = [
        Loaded(profiler, dataset)
        for profiler, datasets in zip(profilers, data, strict=True)
        for dataset in datasets
    ]
    return Prepared(backend, scorers, loaded, job.recording.observer(scorers), text_metrics)


def _text_metrics(job: ProfileJob) -> Backend | None:
    """The backend that describes texts, if a profiler needs it."""
    profilers = [create_profiler(name, job.options) for name in job.profilers]
    if not any(DescribeText in profiler.needs for profiler in profilers):
        return None
    return create_text_metrics(chosen_names(job.options.metrics), cache_dir=job.cache_dir)


def needs_scorer(profilers: Sequence[str]) -> bool:
    """Whether any of these profilers needs a toxicity scorer."""
    return any(Toxicity in create_profiler(name, ProfilerOptions()).needs for name in profilers)


def _check_capabilities(
    backend: Backend, offered: frozenset[RequestType], profilers: Sequence[Profiler]
) -> None:
    for profiler in profilers:
        if not profiler.needs <= offered:
            able = [
                name
                for name in profiler_names()
                if create_profiler(name, ProfilerOptions(capabilities=offered)).needs <= offered
            ]
            raise CapabilityError(
                f"backend {backend.name!r} cannot serve profiler {profiler.name!r}; it can "
                f"serve: {', '.join(able) or 'none'}"
            )


def _start(job: ProfileJob, prepared: Prepared) -> RunStart:
    backend = prepared.backend
    versions = package_versions()
    config: dict[str, Any] = {
        "identity": dict(backend.identity),
        "limit": job.data.limit,
        "options": _user_options(job.options),
        "profiles": [
            [each.profiler.name, each.profiler.version, each.dataset.name, each.dataset.sha256]
            for each in prepared.loaded
        ],
    }
    if prepared.scorers:
        config["scorer"] = scorer_config(prepared.scorers, job.bridges)
    return RunStart(
        "profile", backend.model, backend.name, config, job.options.seed, versions, git_revision()
    )


def _user_options(options: ProfilerOptions) -> dict[str, Any]:
    """The user's options; what follows from the backend is in its identity."""
    values = asdict(options)
    del values["chat"], values["capabilities"], values["scorer_model"], values["scorers"]
    return values
