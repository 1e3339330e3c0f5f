"""Runs what is prepared: asks for answers, scores them and stores the results.

A profile is worked through in windows. Of those that are done there are only the samples: on disk,
and without their texts in memory, for the metrics.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
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
from llmprof.engine import Engine, Observer, Progress
from llmprof.jobs.two_stages import answer_two_stages
from llmprof.metrics.samples import SampleColumns
from llmprof.profilers import Profiler, TwoStage
from llmprof.requests import Answer, Request
from llmprof.results import ProfileResult, RunStart, Store, Work
from llmprof.results.spool import SampleSpool

Listener = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class Window:
    """Items that follow each other; `stated[i]` is what is asked about `items[i]`."""

    items: Sequence[Any]
    stated: Sequence[Sequence[Request]]

    @property
    def requests(self) -> list[Request]:
        """All that is asked, in order."""
        return [request for group in self.stated for request in group]


def windows(profiler: Profiler, items: Sequence[Any], size: int) -> Iterator[Window]:
    """All items, cut where `size` requests are stated, but never within an item."""
    start = 0
    stated: list[Sequence[Request]] = []
    count = 0
    for end, item in enumerate(items, 1):
        stated.append(profiler.requests(item))
        # An item that nothing is asked about takes memory too.
        count += len(stated[-1]) or 1
        if count >= size or end == len(items):
            yield Window(items[start:end], stated)
            start, stated, count = end, [], 0


def count_requests(profiler: Profiler, items: Sequence[Any]) -> int:
    """How many requests are stated about all items."""
    return sum(len(profiler.requests(item)) for item in items)


class WholeProgress:
    """Tells how far a profile has come, from how far its windows have.

    The windows that are still to come count with the requests that are stated about them, of which
    there are `total` in all. A second stage is taken to ask as many until its own are known.
    """

    def __init__(self, total: int, listener: Listener) -> None:
        self._listener = listener
        self._to_come = total
        self._before: dict[str, Progress] = {}
        self._now: dict[str, Progress] = {}

    def begin(self, window: Window) -> None:
        """The window before is done, and this one is next."""
        self._to_come -= sum(map(len, window.stated))
        for label, now in self._now.items():
            self._before[label] = self._so_far(label).plus(now)
        self._now = {}

    def listen(self, label: str, now: Progress) -> None:
        """How far one of the stages, which `label` names, has come in this window."""
        self._now[label] = now
        self._listener(label, self._so_far(label).plus(now).plus(Progress(self._to_come)))

    def _so_far(self, label: str) -> Progress:
        return self._before.get(label, Progress(0))

    @property
    def together(self) -> Progress:
        """The sum of all stages of all windows."""
        return reduce(Progress.plus, [*self._before.values(), *self._now.values()], Progress(0))


# So many that batches of like length, and rows with a common beginning, are as full as they are
# among all requests; few enough to take some tens of megabytes.
REQUESTS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profiler and one data set that it reads."""

    profiler: Profiler
    dataset: Dataset[Any]

    @property
    def label(self) -> str:
        return f"{self.profiler.name} on {self.dataset.name}"

    def windows(self) -> Iterator[Window]:
        """Its items in turn, with what is asked about each."""
        return windows(self.profiler, self.dataset.items, REQUESTS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Backends, with no weights loaded, and profilers with their data.

    `scorers` are by the names that requests about toxicity use; `observer` hears of every answer
    to such a request.
    """

    backend: Backend
    scorers: Mapping[str, Backend]
    loaded: Sequence[Loaded]
    observer: Observer | None = None

    def engine(self, cache: ResponseCache) -> Engine:
        return Engine(cache, [self.backend], scorers=self.scorers, observer=self.observer)

    async def aclose(self) -> None:
        await self.backend.aclose()
        for scorer in self.scorers.values():
            await scorer.aclose()


def run_prepared(
    prepared: Prepared, start: RunStart, store: Store, cache_dir: Path, listener: Listener
) -> str:
    """Profile everything, save each result as soon as it is there, and return the run's id.

    Blocks, also where an event loop runs already, as in a notebook.

    Raises:
        LlmprofError: with what was wrong and what to do; the run is then marked as failed.
    """
    with store.run(start) as run_id:
        run_to_end(partial(_run, prepared, store, run_id, cache_dir, listener))
    return run_id


def run_to_end(work: Callable[[], Awaitable[None]]) -> None:
    """Run an asynchronous function and wait for it, also where an event loop runs already."""
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
                with closing(SampleSpool(store.path.parent)) as spool:
                    result = await _profile(engine, each, spool, listener)
                    await anyio.to_thread.run_sync(store.save_profile, run_id, result)
        finally:
            await prepared.aclose()


async def _profile(
    engine: Engine, each: Loaded, spool: SampleSpool, listener: Listener
) -> ProfileResult:
    """The result of one profiler on one data set, whose samples are in the spool."""
    began = time.monotonic()
    profiler, dataset = each.profiler, each.dataset
    progress = WholeProgress(count_requests(profiler, dataset.items), listener)
    kept = SampleColumns()
    for window in each.windows():
        progress.begin(window)
        await _work_through(window, engine, each, progress, spool, kept)
    metrics = await anyio.to_thread.run_sync(profiler.metrics, kept)
    total = progress.together
    return ProfileResult(
        profiler=profiler.name,
        protocol_version=profiler.version,
        dataset=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        demonstration=dataset.demonstration,
        n_items=len(dataset.items),
        samples=spool,
        metrics=metrics,
        work=Work(
            n_requests=total.total,
            n_cached=total.cached,
            n_failed=total.failed,
            n_truncated=total.truncated,
            n_retries=total.retries,
            seconds=time.monotonic() - began,
        ),
    )


async def _work_through(
    window: Window,
    engine: Engine,
    each: Loaded,
    progress: WholeProgress,
    spool: SampleSpool,
    kept: SampleColumns,
) -> None:
    """Add the samples of one window."""
    answers = await _answer(engine, each, window, progress.listen)

    def score() -> None:
        for item, about in zip(window.items, answers, strict=True):
            samples = each.profiler.score(item, about)
            spool.add(samples)
            kept.add(samples)

    await anyio.to_thread.run_sync(score)


async def _answer(
    engine: Engine, each: Loaded, window: Window, listener: Listener
) -> list[list[Answer]]:
    """The answers about each item."""
    profiler = each.profiler
    if isinstance(profiler, TwoStage):
        follow_up = profiler.follow_up
        return await answer_two_stages(
            engine,
            window.stated,
            lambda item, answers: follow_up(window.items[item], answers),
            partial(listener, each.label),
            partial(listener, f"{each.label} scoring"),
        )
    answers = iter(await engine.answer(window.requests, partial(listener, each.label)))
    return [[next(answers) for _ in group] for group in window.stated]
