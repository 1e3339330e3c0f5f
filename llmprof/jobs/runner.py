"""Run profilers: start a run, ask and score in windows, save results, record how the run ended.

Only the samples of finished windows are kept: on disk, and without texts in memory for the metrics.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends import Backend
from llmprof.backends.protocol import closing_backends
from llmprof.blame import blaming_plugins
from llmprof.cache import ResponseCache, open_cache
from llmprof.datasets import Dataset
from llmprof.engine import Engine
from llmprof.errors import BackendError, LlmprofError
from llmprof.event_loop import run_to_end
from llmprof.jobs.two_stages import answer_two_stages
from llmprof.jobs.windows import Listener, WholeProgress, Window, count_requests, windows
from llmprof.ledger import Observer, Progress
from llmprof.metrics.samples import SampleColumns
from llmprof.profilers import Profiler, TwoStage
from llmprof.requests import Answer
from llmprof.results import COMPLETE, FAILED, INTERRUPTED, ProfileResult, RunStart, Store, Work
from llmprof.results.spool import SampleSpool


class Run:
    """A started run; if `failures` is not empty, it is marked as failed."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.id = run_id
        self.failures: list[LlmprofError] = []
        self._store = store

    def save(self, result: ProfileResult) -> None:
        """Store the result of one profile, all or nothing.

        A result of an earlier attempt is kept if more requests failed now.

        Raises:
            StoreError: it cannot be written.
        """
        if not self._store.save_profile(self.id, result):
            self.failures.append(
                BackendError(
                    f"{result.profiler} on {result.dataset}: {result.work.n_failed} requests "
                    f"failed{_reasons(result.work.failures)}, more than in an earlier attempt, "
                    "whose results are kept"
                )
            )


@contextmanager
def open_run(store: Store, start: RunStart) -> Iterator[Run]:
    """Start a run, or resume an unfinished one with the same configuration.

    At the end of the block, record whether it is complete, failed (with the error) or interrupted.
    """
    run = Run(store, store.begin_run(start))
    try:
        with blaming_plugins():
            yield run
    except KeyboardInterrupt:
        store.finish_run(run.id, INTERRUPTED)
        raise
    except Exception as error:
        store.finish_run(run.id, FAILED, str(error))
        raise
    if run.failures:
        store.finish_run(run.id, FAILED, "; ".join(map(str, run.failures)))
    else:
        store.finish_run(run.id, COMPLETE)


def work_of(progress: Progress, seconds: float) -> Work:
    """The engine's work in the form that is stored; `seconds` is wall time."""
    return Work(
        n_requests=progress.total,
        n_cached=progress.cached,
        n_failed=progress.failed,
        n_truncated=progress.truncated,
        n_shortened=progress.shortened,
        n_thinking_tokens=progress.thinking,
        n_retries=progress.retries,
        seconds=seconds,
        failures={**progress.remarks, **progress.failures},
    )


def _reasons(failures: Mapping[str, str]) -> str:
    """The classes of failures with their first messages, in brackets."""
    reasons = "; ".join(f"{name}: {message}" for name, message in failures.items())
    return f" ({reasons})" if reasons else ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A profiler and one of its data sets."""

    profiler: Profiler
    dataset: Dataset[Any]

    @property
    def label(self) -> str:
        return f"{self.profiler.name} on {self.dataset.name}"

    def windows(self) -> Iterator[Window]:
        """Its items with their requests, window by window."""
        return windows(self.profiler, self.dataset.items)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Backends, with no weights loaded, and profilers with their data.

    `scorers` are keyed by the names in toxicity requests; `observer` gets every answer to such a
    request. `text_metrics` computes text metrics, and `judge` classifies refusals, if profilers
    need them.
    """

    backend: Backend
    scorers: Mapping[str, Backend]
    loaded: Sequence[Loaded]
    observer: Observer | None = None
    text_metrics: Backend | None = None
    judge: Backend | None = None

    def engine(self, cache: ResponseCache) -> Engine:
        backends = [self.backend, *filter(None, (self.text_metrics, self.judge))]
        return Engine(cache, backends, scorers=self.scorers, observer=self.observer)

    @property
    def backends(self) -> list[Backend]:
        backends = (self.backend, *self.scorers.values(), self.text_metrics, self.judge)
        return [each for each in backends if each is not None]


def run_prepared(
    prepared: Prepared, start: RunStart, store: Store, cache_dir: Path, listener: Listener
) -> str:
    """Run all profilers, save each result as soon as it is known, and return the run's id.

    Blocks; also works inside a running event loop, as in a notebook.

    Raises:
        LlmprofError: with what was wrong and what to do; the run is then marked as failed. Also if
            a profile got no answer at all; the other profiles are saved.
    """
    with open_run(store, start) as run:
        run_to_end(partial(_profile_all, prepared, run, store.path.parent, cache_dir, listener))
    return run.id


async def _profile_all(
    prepared: Prepared, run: Run, spool_folder: Path, cache_dir: Path, listener: Listener
) -> None:
    with open_cache(cache_dir) as cache:
        async with closing_backends(prepared.backends):
            engine = prepared.engine(cache)
            for each in prepared.loaded:
                with closing(SampleSpool(spool_folder)) as spool:
                    result, unanswered = await _profile(engine, each, spool, listener)
                    await anyio.to_thread.run_sync(run.save, result)
                run.failures += unanswered
    if run.failures:
        raise BackendError("; ".join(map(str, run.failures)))


async def _profile(
    engine: Engine, each: Loaded, spool: SampleSpool, listener: Listener
) -> tuple[ProfileResult, list[LlmprofError]]:
    """The result of one profiler on one data set, and an error per stage without any answer.

    The samples of the result are in the spool.
    """
    began = time.monotonic()
    profiler, dataset = each.profiler, each.dataset
    progress = WholeProgress(count_requests(profiler, dataset.items), listener)
    kept = SampleColumns()
    for window in each.windows():
        progress.begin(window)
        await _work_through(window, engine, each, progress, spool, kept)
    metrics = await anyio.to_thread.run_sync(profiler.metrics, kept)
    total = progress.together
    unanswered: list[LlmprofError] = [
        BackendError(
            f"{label}: none of {stage.total} requests was answered{_reasons(stage.failures)}"
        )
        for label, stage in progress.unanswered()
    ]
    result = ProfileResult(
        profiler=profiler.name,
        protocol_version=profiler.version,
        dataset=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        demonstration=dataset.demonstration,
        n_items=len(dataset.items),
        samples=spool,
        metrics=metrics,
        work=work_of(total, time.monotonic() - began),
        n_available=dataset.available,
    )
    return result, unanswered


async def _work_through(
    window: Window,
    engine: Engine,
    each: Loaded,
    progress: WholeProgress,
    spool: SampleSpool,
    kept: SampleColumns,
) -> None:
    """Ask and score one window; add its samples to `spool` and `kept`."""
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
    """The answers to each item's requests."""
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
