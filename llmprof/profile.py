"""Runs profilers on a model: data, requests, answers, scores, results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from llmprof import __version__
from llmprof.backends import Backend, BackendOptions, create_backend
from llmprof.cache import ResponseCache
from llmprof.datasets import DataOptions, Dataset
from llmprof.engine import Answer, Engine, Progress
from llmprof.errors import CapabilityError
from llmprof.profilers import Profiler, ProfilerOptions, create_profiler, profiler_names
from llmprof.results import ProfileResult, RunStart, Store

Listener = Callable[[str, Progress], None]
_PACKAGES = ("torch", "transformers", "spacy", "textdescriptives", "lexicalrichness")


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
class _Loaded:
    profiler: Profiler
    dataset: Dataset[Any]


def run_profile(job: ProfileJob, listener: Listener) -> str:
    """Run the job and return the run's id; whatever was answered before comes from the cache.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    # Data first: a missing file shows before a model is looked for.
    data = [create_profiler(name, job.options).load(job.data) for name in job.profilers]
    store = Store(job.db)
    try:
        backend = create_backend(job.backend, job.backend_options)
        options = replace(job.options, chat=backend.chat)
        profilers = [create_profiler(name, options) for name in job.profilers]
        _check_capabilities(backend, profilers)
        loaded = [
            _Loaded(profiler, dataset)
            for profiler, datasets in zip(profilers, data, strict=True)
            for dataset in datasets
        ]
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


def _check_capabilities(backend: Backend, profilers: Sequence[Profiler]) -> None:
    for profiler in profilers:
        if not profiler.needs <= backend.capabilities:
            able = [
                name
                for name in profiler_names()
                if create_profiler(name, ProfilerOptions()).needs <= backend.capabilities
            ]
            raise CapabilityError(
                f"backend {backend.name!r} cannot serve profiler {profiler.name!r}; it can "
                f"serve: {', '.join(able) or 'none'}"
            )


def _start(job: ProfileJob, backend: Backend, loaded: Sequence[_Loaded]) -> RunStart:
    versions = {"llmprof": __version__}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    config = {
        "identity": dict(backend.identity),
        "limit": job.data.limit,
        "options": asdict(job.options),
        "profiles": [
            [each.profiler.name, each.profiler.version, each.dataset.name, each.dataset.sha256]
            for each in loaded
        ],
    }
    return RunStart("profile", backend.model, backend.name, config, job.options.seed, versions)


async def _run(
    job: ProfileJob,
    backend: Backend,
    loaded: Sequence[_Loaded],
    store: Store,
    run_id: str,
    listener: Listener,
) -> None:
    cache = ResponseCache(job.cache_dir / "responses")
    try:
        engine = Engine(cache, [backend])
        for each in loaded:
            result = await _profile(engine, each, listener)
            await anyio.to_thread.run_sync(store.save_profile, run_id, result)
    finally:
        cache.close()
        await backend.aclose()


async def _profile(engine: Engine, each: _Loaded, listener: Listener) -> ProfileResult:
    profiler, dataset = each.profiler, each.dataset
    stated = [list(profiler.requests(item)) for item in dataset.items]
    flat = [request for requests in stated for request in requests]
    answers = await engine.answer(flat, lambda progress: listener(profiler.name, progress))
    queue = iter(answers)
    grouped = [[next(queue) for _ in requests] for requests in stated]
    return await anyio.to_thread.run_sync(_score, profiler, dataset, grouped)


def _score(
    profiler: Profiler, dataset: Dataset[Any], grouped: Sequence[Sequence[Answer]]
) -> ProfileResult:
    samples = [
        profiler.score(item, answers) for item, answers in zip(dataset.items, grouped, strict=True)
    ]
    return ProfileResult(
        profiler=profiler.name,
        protocol_version=profiler.version,
        dataset=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        demonstration=dataset.demonstration,
        samples=samples,
        metrics=profiler.metrics(samples),
    )
