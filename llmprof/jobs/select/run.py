"""Run a selection: sample completions, score and choose them, save results and file."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial, reduce

from llmprof.backends import Backend
from llmprof.cache import ResponseCache, open_cache
from llmprof.engine import Engine
from llmprof.jobs.runner import open_run, run_to_end, work_of
from llmprof.jobs.select.candidates import (
    Pool,
    add_likelihood,
    add_text_scores,
    add_toxicity,
    candidates_of,
    distinct_texts,
    likelihood_requests,
    text_requests,
    toxicity_requests,
)
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.plan import remember_speed
from llmprof.jobs.select.prepare import SelectSetup, prepare, run_start
from llmprof.jobs.select.result import lines_of, result_of, select
from llmprof.jobs.select.training_file import check_training_file, write_lines
from llmprof.jobs.windows import Listener
from llmprof.ledger import Progress
from llmprof.requests import Answer, Request
from llmprof.results import Store, Work


def run_select(job: SelectJob, listener: Listener) -> str:
    """Run the job, write its file and return the run's id.

    Earlier answers come from the cache. The results are stored before the file is written, and the
    file is written whole or not at all.

    Raises:
        SelectionError: nothing can be kept.
        OutputError: the file cannot be written.
        LlmprofError: with what was wrong and what to do; a run that began is marked as failed.
    """
    # Check output and store before any model: the user hears at once what cannot be written.
    check_training_file(job.output, job.inputs)
    with Store(job.db) as store:
        setup = prepare(job)
        with open_run(store, run_start(job, setup)) as run:
            pools, work = run_to_end(partial(_ask, job, setup, listener))
            selection = select(job, pools)
            run.save(result_of(job, setup, selection, work))
            write_lines(job.output, lines_of(job, setup, selection, run.id), job.inputs)
        return run.id


async def _ask(job: SelectJob, setup: SelectSetup, listener: Listener) -> tuple[list[Pool], Work]:
    began = time.monotonic()
    with open_cache(job.cache_dir) as cache:
        session = _Session(job, cache, listener)
        pools = await _candidates(job, setup, session)
    return pools, session.work(time.monotonic() - began)


class _Session:
    """Asks one backend after another, and counts the work.

    Each backend is closed once it has answered, so that one model at a time is in memory.
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
        return work_of(reduce(Progress.plus, self._latest.values()), seconds)

    def _listen(self, label: str, now: Progress) -> None:
        self._latest[label] = now
        self.listener(label, now)


async def _candidates(job: SelectJob, setup: SelectSetup, session: _Session) -> list[Pool]:
    """The completions of each prompt, with all their scores."""
    items, k = setup.dataset.items, job.drawing.k
    pools: list[Pool] = [[] for _ in items]
    for source in setup.sources:
        answers = await session.answer(
            f"completions of {source.label}", source.backend, source.requests
        )
        for place, (item, pool) in enumerate(zip(items, pools, strict=True)):
            pool += candidates_of(item, source.label, answers[place * k : (place + 1) * k])
    texts = distinct_texts(pools)
    if (describer := setup.text_metrics) is not None:
        about = text_requests(texts, job.text_metrics)
        answers = await session.answer("text metrics", describer, about)
        add_text_scores(pools, texts, answers)
    if (scorer := setup.scorer) is not None:
        answers = await session.answer("toxicity", scorer, toxicity_requests(texts))
        add_toxicity(pools, texts, answers)
    if (likelihood := setup.likelihood) is not None:
        asks = likelihood_requests(likelihood.contexts, pools)
        add_likelihood(pools, await session.answer("likelihood", likelihood.backend, asks))
    return pools
