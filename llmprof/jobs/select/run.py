"""Runs a selection: completions, their scores, the choice, the file and the results."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from hashlib import sha256
from pathlib import Path

import anyio
import anyio.to_thread

from llmprof.backends import Backend, Paced
from llmprof.cache import ResponseCache, canonical_json, open_cache
from llmprof.engine import Engine, Progress
from llmprof.errors import CacheError
from llmprof.jobs.profile import Plan
from llmprof.jobs.runner import Listener
from llmprof.jobs.select.candidates import (
    Pool,
    add_likelihood,
    add_text_scores,
    add_toxicity,
    candidates_of,
    distinct_texts,
    likelihood_requests,
    toxicity_requests,
)
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.prepare import SelectSetup, prepare, run_start
from llmprof.jobs.select.result import lines_of, result_of, select
from llmprof.jobs.select.training_file import check_output, write_lines
from llmprof.profilers import text_metrics
from llmprof.requests import Answer, Generate, LogLikelihood, Request, RequestType, Toxicity
from llmprof.results import Store, Work

# Texts described between two looks at whether the user wants to stop.
_TEXTS_AT_ONCE = 16


def run_select(job: SelectJob, listener: Listener) -> str:
    """Run the job, write its file and return the run's id.

    Whatever was answered before comes from the cache. The results are stored before the file is
    written, and the file is written whole or not at all.

    Raises:
        SelectionError: nothing can be kept, or the file cannot be written.
        LlmprofError: with what was wrong and what to do; a run that began is marked as failed.
    """
    # The output and the store before any model: what cannot be written shows at once.
    check_output(job.output)
    store = Store(job.db)
    try:
        setup = prepare(job)
        with store.run(run_start(job, setup)) as run_id:
            pools, work = anyio.run(_ask, job, setup, listener)
            selection = select(job, pools)
            store.save_profile(run_id, result_of(job, setup, selection, work))
            write_lines(job.output, lines_of(job, setup, selection, run_id))
        return run_id
    finally:
        store.close()


async def _ask(job: SelectJob, setup: SelectSetup, listener: Listener) -> tuple[list[Pool], Work]:
    began = time.monotonic()
    with open_cache(job.cache_dir) as cache:
        session = _Session(job, cache, listener)
        pools = await _candidates(job, setup, session)
    return pools, session.work(time.monotonic() - began)


class _Session:
    """Asks one backend after another and counts the work.

    Each is freed once it has answered, so that one model at a time is in memory.
    """

    def __init__(self, job: SelectJob, cache: ResponseCache, listener: Listener) -> None:
        self.listener = listener
        self._job = job
        self._cache = cache
        self._latest: dict[str, Progress] = {}

    async def answer(
        self, label: str, backend: Backend, requests: Sequence[Request]
    ) -> list[Answer]:
        began = time.monotonic()
        try:
            engine = Engine(self._cache, [backend])
            answers = await engine.answer(requests, partial(self._listen, label))
        finally:
            await backend.aclose()
        if new := self._latest[label].total - self._latest[label].cached:
            seconds = (time.monotonic() - began) / new
            kind, tokens = requests[0].kind, self._job.options.max_new_tokens
            remember_speed(self._job.cache_dir, backend, kind, tokens, seconds)
        return answers

    def work(self, seconds: float) -> Work:
        done = reduce(Progress.plus, self._latest.values())
        return Work(
            n_requests=done.total,
            n_cached=done.cached,
            n_failed=done.failed,
            n_truncated=done.truncated,
            n_retries=done.retries,
            seconds=seconds,
        )

    def _listen(self, label: str, now: Progress) -> None:
        self._latest[label] = now
        self.listener(label, now)


async def _candidates(job: SelectJob, setup: SelectSetup, session: _Session) -> list[Pool]:
    """The completions of each prompt with all their scores."""
    items, k = setup.dataset.items, job.drawing.k
    pools: list[Pool] = [[] for _ in items]
    for source in setup.sources:
        answers = await session.answer(
            f"completions of {source.label}", source.backend, source.requests
        )
        for place, (item, pool) in enumerate(zip(items, pools, strict=True)):
            pool += candidates_of(item, source.label, answers[place * k : (place + 1) * k])
    texts = distinct_texts(pools)
    add_text_scores(pools, await _describe(texts, session.listener))
    if (scorer := setup.scorer) is not None:
        answers = await session.answer("toxicity", scorer, toxicity_requests(texts))
        add_toxicity(pools, texts, answers)
    if (likelihood := setup.likelihood) is not None:
        asks = likelihood_requests(likelihood.contexts, pools)
        add_likelihood(pools, await session.answer("likelihood", likelihood.backend, asks))
    return pools


async def _describe(texts: Sequence[str], listener: Listener) -> dict[str, dict[str, float | None]]:
    """The textual metrics of each text."""
    described: dict[str, dict[str, float | None]] = {}
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        batch = texts[start : start + _TEXTS_AT_ONCE]
        described.update(await anyio.to_thread.run_sync(_describe_now, batch))
        listener("text metrics", Progress(total=len(texts), done=len(described)))
    return described


def _describe_now(texts: Sequence[str]) -> dict[str, dict[str, float | None]]:
    return {text: text_metrics.describe(text) for text in texts}


def plan_select(job: SelectJob) -> list[Plan]:
    """One plan a model, and one each for the scorer and the likelihood; asks nothing.

    Of a completion that is still to be made, one request each is counted.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    setup = prepare(job)
    with open_cache(job.cache_dir) as cache:
        planner = _Planner(job, setup, cache)
        plans = [
            planner.plan(f"completions of {each.label}", each.backend, Generate, each.requests)
            for each in setup.sources
        ]
        missing = sum(plan.requests - plan.cached for plan in plans)
        pools = planner.known_completions()
        if (scorer := setup.scorer) is not None:
            name = f"toxicity by {scorer.name}"
            texts = toxicity_requests(distinct_texts(pools))
            plans.append(planner.plan(name, scorer, Toxicity, texts, missing))
        if (likelihood := setup.likelihood) is not None:
            name = f"likelihood under {likelihood.backend.model}"
            asks = likelihood_requests(likelihood.contexts, pools)
            plans.append(planner.plan(name, likelihood.backend, LogLikelihood, asks, missing))
    return plans


@dataclass(frozen=True, slots=True)
class _Planner:
    """Looks up what a job's requests would find."""

    job: SelectJob
    setup: SelectSetup
    cache: ResponseCache

    def known_completions(self) -> list[Pool]:
        """The completions of each prompt that exist already."""
        items, k = self.setup.dataset.items, self.job.drawing.k
        pools: list[Pool] = [[] for _ in items]
        for source in self.setup.sources:
            found = Engine(self.cache, [source.backend]).cached(source.requests)
            for place, (item, pool) in enumerate(zip(items, pools, strict=True)):
                mine = found[place * k : (place + 1) * k]
                answers = [Answer("", response) for response in mine if response is not None]
                pool += candidates_of(item, source.label, answers)
        return pools

    def plan(
        self,
        name: str,
        backend: Backend,
        kind: RequestType,
        asks: Sequence[Request],
        unknown: int = 0,
    ) -> Plan:
        """The plan of `asks`, and of as many requests again as are `unknown` yet."""
        dataset, tokens = self.setup.dataset, self.job.options.max_new_tokens
        cached = sum(each is not None for each in Engine(self.cache, [backend]).cached(asks))
        to_ask = len(asks) + unknown - cached
        seconds = seconds_per_answer(self.job.cache_dir, backend, kind.kind, tokens)
        return Plan(
            profiler=name,
            dataset=dataset.name,
            source=dataset.source,
            items=len(dataset.items),
            requests=len(asks) + unknown,
            cached=cached,
            seconds=None if seconds is None else to_ask * seconds,
        )


_FILE = "seconds_per_answer.json"


def seconds_per_answer(
    cache_dir: Path, backend: Backend, kind: str, max_new_tokens: int
) -> float | None:
    """At the rate that the backend is bound to, else as it was last; None when neither is known.

    `kind` is that of the request; `max_new_tokens` bounds the completions that it makes, or is
    about.
    """
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    if rate is not None:
        return 1 / rate
    known = _read(cache_dir / _FILE).get(_key(backend, kind, max_new_tokens))
    return known if isinstance(known, float) else None


def remember_speed(
    cache_dir: Path, backend: Backend, kind: str, max_new_tokens: int, seconds: float
) -> None:
    """Keep how long an answer took, for later estimates.

    Raises:
        CacheError: the cache folder cannot be written to.
    """
    file = cache_dir / _FILE
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    known = {**_read(file), _key(backend, kind, max_new_tokens): seconds}
    try:
        partial.write_text(json.dumps(known, indent=1, sort_keys=True))
        partial.replace(file)
    except OSError as error:
        raise CacheError(f"cannot write {file}: {error.strerror}; check --cache-dir") from error


def _read(file: Path) -> dict[str, object]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _key(backend: Backend, kind: str, max_new_tokens: int) -> str:
    content = {
        "backend": dict(backend.identity),
        "kind": kind,
        "max_new_tokens": max_new_tokens,
    }
    return sha256(canonical_json(content).encode()).hexdigest()
