"""Runs profilers on a model: data, requests, answers, scores, results."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends import Backend, BackendOptions, Paced, create_backend
from llmprof.cache import open_cache
from llmprof.datasets import DataOptions, Dataset
from llmprof.engine import Engine, Progress
from llmprof.errors import CapabilityError
from llmprof.profilers import Profiler, ProfilerOptions, create_profiler, profiler_names
from llmprof.records import Metric, Sample
from llmprof.requests import Answer, Request
from llmprof.results import ProfileResult, RunStart, Store, Work
from llmprof.versions import git_revision, package_versions

Listener = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class ProfileJob:
    """Everything one `llmprof profile` was asked to do."""

    profilers: tuple[str, ...]
    backend: str
    backend_options: BackendOptions
    data: DataOptions
    options: ProfilerOptions
    db: Path
    cache_dir: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What a profile would ask: `cached` of its `requests` are answered already.

    `seconds` is how long the rest takes at the rate that the backend is bound to, if it is.
    """

    profiler: str
    dataset: str
    source: str
    items: int
    requests: int
    cached: int
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class _Loaded:
    profiler: Profiler
    dataset: Dataset[Any]

    @property
    def label(self) -> str:
        return f"{self.profiler.name} on {self.dataset.name}"

    def requests(self) -> list[list[Request]]:
        return [list(self.profiler.requests(item)) for item in self.dataset.items]


def plan_profile(job: ProfileJob) -> list[Plan]:
    """What `run_profile` would ask; asks nothing and writes no results.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    backend, loaded = _prepare(job)
    with open_cache(job.cache_dir) as cache:
        engine = Engine(cache, [backend])
        plans = []
        for each in loaded:
            requests = [request for group in each.requests() for request in group]
            cached = engine.count_cached(requests)
            plans.append(
                Plan(
                    each.profiler.name,
                    each.dataset.name,
                    each.dataset.source,
                    len(each.dataset.items),
                    len(requests),
                    cached,
                    _seconds(backend, len(requests) - cached),
                )
            )
    return plans


def _seconds(backend: Backend, requests: int) -> float | None:
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    return None if rate is None else requests / rate


def run_profile(job: ProfileJob, listener: Listener) -> str:
    """Run the job and return the run's id; whatever was answered before comes from the cache.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    # The store before the model: a results folder that cannot be written shows at once.
    store = Store(job.db)
    try:
        backend, loaded = _prepare(job)
        run_id = store.begin_run(_start(job, backend, loaded))
        try:
            anyio.run(_run, job, backend, loaded, store, run_id, listener)
        except KeyboardInterrupt:
            store.finish_run(run_id, "interrupted")
            raise
        except Exception as error:
            store.finish_run(run_id, "failed", str(error))
            raise
        store.finish_run(run_id, "complete")
        return run_id
    finally:
        store.close()


def _prepare(job: ProfileJob) -> tuple[Backend, list[_Loaded]]:
    """The backend, with no weights loaded, and every profiler with its data."""
    # Data first: a missing file shows before a model is looked for.
    data = [create_profiler(name, job.options).load(job.data) for name in job.profilers]
    backend = create_backend(job.backend, job.backend_options)
    options = replace(job.options, chat=backend.chat, capabilities=backend.capabilities)
    profilers = [create_profiler(name, options) for name in job.profilers]
    _check_capabilities(backend, profilers)
    return backend, [
        _Loaded(profiler, dataset)
        for profiler, datasets in zip(profilers, data, strict=True)
        for dataset in datasets
    ]


def _check_capabilities(backend: Backend, profilers: Sequence[Profiler]) -> None:
    offered = backend.capabilities
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


def _start(job: ProfileJob, backend: Backend, loaded: Sequence[_Loaded]) -> RunStart:
    versions = package_versions()
    config = {
        "identity": dict(backend.identity),
        "limit": job.data.limit,
        "options": _user_options(job.options),
        "profiles": [
            [each.profiler.name, each.profiler.version, each.dataset.name, each.dataset.sha256]
            for each in loaded
        ],
    }
    return RunStart(
        "profile", backend.model, backend.name, config, job.options.seed, versions, git_revision()
    )


def _user_options(options: ProfilerOptions) -> dict[str, Any]:
    """The options that a user gave; what follows from the backend is in its identity."""
    values = asdict(options)
    del values["chat"], values["capabilities"]
    return values


async def _run(
    job: ProfileJob,
    backend: Backend,
    loaded: Sequence[_Loaded],
    store: Store,
    run_id: str,
    listener: Listener,
) -> None:
    with open_cache(job.cache_dir) as cache:
        try:
            engine = Engine(cache, [backend])
            for each in loaded:
                result = await _profile(engine, each, listener)
                await anyio.to_thread.run_sync(store.save_profile, run_id, result)
        finally:
            await backend.aclose()


async def _profile(engine: Engine, each: _Loaded, listener: Listener) -> ProfileResult:
    began = time.monotonic()
    progress = Progress(0)

    def listen(now: Progress) -> None:
        nonlocal progress
        progress = now
        listener(each.label, now)

    stated = each.requests()
    answers = await engine.answer([ask for requests in stated for ask in requests], listen)
    queue = iter(answers)
    grouped = [[next(queue) for _ in requests] for requests in stated]
    samples, metrics = await anyio.to_thread.run_sync(_score, each, grouped)
    profiler, dataset = each.profiler, each.dataset
    return ProfileResult(
        profiler=profiler.name,
        protocol_version=profiler.version,
        dataset=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        demonstration=dataset.demonstration,
        n_items=len(dataset.items),
        samples=samples,
        metrics=metrics,
        work=Work(
            n_requests=progress.total,
            n_cached=progress.cached,
            n_failed=progress.failed,
            n_truncated=progress.truncated,
            n_retries=progress.retries,
            seconds=time.monotonic() - began,
        ),
    )


def _score(each: _Loaded, grouped: Sequence[Sequence[Answer]]) -> tuple[list[Sample], list[Metric]]:
    pairs = zip(each.dataset.items, grouped, strict=True)
    samples = [sample for item, answers in pairs for sample in each.profiler.score(item, answers)]
    return samples, each.profiler.metrics(samples)
