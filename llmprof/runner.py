"""Runs what is prepared: asks for answers, scores them and stores the results."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anyio.from_thread import start_blocking_portal

from llmprof.backends import Backend
from llmprof.cache import ResponseCache, open_cache
from llmprof.datasets import Dataset
from llmprof.engine import Engine, Progress
from llmprof.pipeline import answer_two_stages
from llmprof.profilers import Profiler, TwoStage
from llmprof.records import Metric, Sample
from llmprof.requests import Answer, Request
from llmprof.results import ProfileResult, RunStart, Store, Work

Listener = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profiler and one data set that it reads."""

    profiler: Profiler
    dataset: Dataset[Any]

    @property
    def label(self) -> str:
        return f"{self.profiler.name} on {self.dataset.name}"

    def requests(self) -> list[list[Request]]:
        return [list(self.profiler.requests(item)) for item in self.dataset.items]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Backends, with no weights loaded, and profilers with their data."""

    backend: Backend
    scorer: Backend | None
    loaded: Sequence[Loaded]

    def engine(self, cache: ResponseCache) -> Engine:
        return Engine(cache, [self.backend], scorer=self.scorer)

    async def aclose(self) -> None:
        await self.backend.aclose()
        if self.scorer is not None:
            await self.scorer.aclose()


def run_prepared(
    prepared: Prepared, start: RunStart, store: Store, cache_dir: Path, listener: Listener
) -> str:
    """Profile everything, save each result as soon as it is there, and return the run's id.

    Blocks, also where an event loop runs already, as in a notebook.

    Raises:
        LlmprofError: with what was wrong and what to do; the run is then marked as failed.
    """
    with store.run(start) as run_id:
        _run_to_end(partial(_run, prepared, store, run_id, cache_dir, listener))
    return run_id


def _run_to_end(work: Callable[[], Awaitable[None]]) -> None:
    if not _in_event_loop():
        anyio.run(work)
        return
    # A thread of its own has no event loop yet; Ctrl-C here cancels what runs there.
    with start_blocking_portal() as portal:
        portal.call(work)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _run(
    prepared: Prepared, store: Store, run_id: str, cache_dir: Path, listener: Listener
) -> None:
    with open_cache(cache_dir) as cache:
        try:
            engine = prepared.engine(cache)
            for each in prepared.loaded:
                result = await _profile(engine, each, listener)
                await anyio.to_thread.run_sync(store.save_profile, run_id, result)
        finally:
            await prepared.aclose()


async def _profile(engine: Engine, each: Loaded, listener: Listener) -> ProfileResult:
    began = time.monotonic()
    latest: dict[str, Progress] = {}

    def listen(label: str, now: Progress) -> None:
        latest[label] = now
        listener(label, now)

    grouped = await _answer(engine, each, listen)
    progress = reduce(Progress.plus, latest.values())
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


async def _answer(engine: Engine, each: Loaded, listener: Listener) -> list[list[Answer]]:
    """The answers about each item."""
    stated = each.requests()
    profiler, items = each.profiler, each.dataset.items
    if isinstance(profiler, TwoStage):
        follow_up = profiler.follow_up
        return await answer_two_stages(
            engine,
            stated,
            lambda item, answers: follow_up(items[item], answers),
            partial(listener, each.label),
            partial(listener, f"{each.label} scoring"),
        )
    requests = [request for group in stated for request in group]
    answers = iter(await engine.answer(requests, partial(listener, each.label)))
    return [[next(answers) for _ in group] for group in stated]


def _score(each: Loaded, grouped: Sequence[Sequence[Answer]]) -> tuple[list[Sample], list[Metric]]:
    pairs = zip(each.dataset.items, grouped, strict=True)
    samples = [sample for item, answers in pairs for sample in each.profiler.score(item, answers)]
    return samples, each.profiler.metrics(samples)
