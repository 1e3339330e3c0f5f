"""Run a selection: sample completions, score and choose them, save results and file."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice

from llmprof.backends import Backend
from llmprof.backends.protocol import closing_backends
from llmprof.cache import ResponseCache, open_cache
from llmprof.engine import Engine
from llmprof.event_loop import run_to_end
from llmprof.jobs.runner import open_run, work_of
from llmprof.jobs.select.candidates import add_likelihood, is_spoken, likelihood_requests
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.plan import remember_speed
from llmprof.jobs.select.prepare import Likelihood, SelectSetup, Source, prepare, run_start
from llmprof.jobs.select.result import CandidatePools, lines_of, result_of, select
from llmprof.jobs.select.training_file import check_training_file, write_lines
from llmprof.jobs.two_stages import answer_two_stages
from llmprof.jobs.windows import REQUESTS_AT_ONCE, Listener, WholeProgress, Window, windows
from llmprof.ledger import Progress
from llmprof.requests import (
    Answer,
    DescribeText,
    Generate,
    LogLikelihood,
    RequestType,
    Toxicity,
)
from llmprof.results import Store, Work
from llmprof.results.spool import SampleSpool


def run_select(job: SelectJob, listener: Listener) -> str:
    """Run the job, write its file and return the run's id.

    Earlier answers come from the cache. The results are stored before the file is written, and the
    file is written atomically. Completions are kept on disk, next to the database.

    Raises:
        SelectionError: no completion is eligible.
        OutputError: the file cannot be written.
        LlmprofError: with what was wrong and what to do; a started run is marked as failed.
    """
    # Check output and store before any model, so that write errors are reported at once.
    check_training_file(job.output, job.inputs)
    with Store(job.db) as store, ExitStack() as spools:
        setup = prepare(job)
        check_training_file(job.output, setup.dataset.files)
        with open_run(store, run_start(job, setup)) as run:
            sampling = _Sampling(job, setup, listener, spools)
            pools = run_to_end(sampling.run)
            selection = select(job, pools, setup.labels)
            run.save(result_of(job, setup, selection, sampling.work))
            write_lines(job.output, lines_of(job, setup, selection, run.id), job.inputs)
        return run.id


class _Sampling:
    """Samples and scores the candidates, window by window, and counts the work.

    Models run one after another: each is closed when it has answered, so that only one is in
    memory. Scorers run concurrently.
    """

    def __init__(
        self, job: SelectJob, setup: SelectSetup, listener: Listener, spools: ExitStack
    ) -> None:
        self._job = job
        self._setup = setup
        self._listener = listener
        self._spools = spools
        self._done = Progress(0)
        self._spoken = 0
        self._seconds = 0.0

    @property
    def work(self) -> Work:
        return work_of(self._done, self._seconds)

    async def run(self) -> CandidatePools:
        """The candidates of each prompt, with all their scores."""
        began = time.monotonic()
        setup, counts = self._setup, self._setup.counts
        scorers = [each for each in (setup.text_metrics, setup.scorer) if each is not None]
        with open_cache(self._job.cache_dir) as cache:
            async with closing_backends(scorers):
                spools = [
                    await self._sample(source, sum(total), cache)
                    for source, total in zip(setup.sources, counts, strict=True)
                ]
            pools = CandidatePools(spools, counts)
            if (likelihood := setup.likelihood) is not None:
                scored = await self._score_likelihood(likelihood, pools, cache)
                pools = CandidatePools(
                    [scored], [[sum(each) for each in zip(*counts, strict=True)]]
                )
        self._seconds = time.monotonic() - began
        return pools

    def _spool(self) -> SampleSpool:
        return self._spools.enter_context(closing(SampleSpool(self._job.db.parent)))

    async def _sample(self, source: Source, total: int, cache: ResponseCache) -> SampleSpool:
        """One model's completions of all prompts, scored while it generates more."""
        setup, items = self._setup, self._setup.dataset.items
        spool = self._spool()
        texts = [] if setup.text_metrics is None else [setup.text_metrics]
        scorers = {} if setup.scorer is None else {setup.scorer.name: setup.scorer}
        engine = Engine(cache, [source.backend, *texts], scorers=scorers)
        progress = WholeProgress(total, self._listener)
        async with closing_backends([source.backend]):
            for window in windows(source.sampler, items):
                progress.begin(window)
                answers = await _answer(engine, source, window, progress)
                for item, about in zip(window.items, answers, strict=True):
                    pool = source.sampler.candidates(item, about)
                    self._spoken += sum(map(is_spoken, pool))
                    spool.add(pool)
        self._remember_speed(engine, source.backend, Generate)
        for describer in texts:
            self._remember_speed(engine, describer, DescribeText)
        for scorer in scorers.values():
            self._remember_speed(engine, scorer, Toxicity)
        self._done = self._done.plus(progress.together)
        return spool

    async def _score_likelihood(
        self, likelihood: Likelihood, pools: CandidatePools, cache: ResponseCache
    ) -> SampleSpool:
        """All candidates with their log-likelihood."""
        spool = self._spool()
        engine = Engine(cache, [likelihood.backend])
        progress = WholeProgress(self._spoken, self._listener)
        listen = partial(progress.listen, "likelihood")
        per_prompt = self._job.drawing.k * len(self._setup.sources)
        prompts = max(1, REQUESTS_AT_ONCE // per_prompt)
        stream = zip(likelihood.contexts, pools, strict=True)
        async with closing_backends([likelihood.backend]):
            while some := list(islice(stream, prompts)):
                asks = [likelihood_requests(context, pool) for context, pool in some]
                window = Window(some, asks)
                progress.begin(window)
                answers = iter(await engine.answer(window.requests, listen))
                for _, pool in some:
                    add_likelihood(pool, answers)
                    spool.add(pool)
        self._remember_speed(engine, likelihood.backend, LogLikelihood)
        self._done = self._done.plus(progress.together)
        return spool

    def _remember_speed(self, engine: Engine, backend: Backend, kind: RequestType) -> None:
        seconds = engine.seconds_per_answer(backend)
        if seconds is not None:
            tokens = self._job.options.max_new_tokens
            remember_speed(self._job.cache_dir, backend, kind.kind, tokens, seconds)


async def _answer(
    engine: Engine, source: Source, window: Window, progress: WholeProgress
) -> list[list[Answer]]:
    """The answers to each prompt's requests, followed by those for its completions."""
    sampler = source.sampler
    listen = partial(progress.listen, f"completions of {source.label}")
    if not sampler.has_follow_up:
        answers = iter(await engine.answer(window.requests, listen))
        return [[next(answers) for _ in group] for group in window.stated]
    return await answer_two_stages(
        engine,
        window.stated,
        lambda place, answers: sampler.follow_up(answers),
        listen,
        partial(progress.listen, f"scores of {source.label}"),
    )
