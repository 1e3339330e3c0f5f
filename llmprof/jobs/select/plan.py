"""What a selection would ask, and how much of it is answered already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llmprof.backends import Backend
from llmprof.cache import ResponseCache, open_cache
from llmprof.engine import Engine
from llmprof.jobs.profile import Plan
from llmprof.jobs.select.candidates import (
    Pool,
    candidates_of,
    distinct_texts,
    likelihood_requests,
    toxicity_requests,
)
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.prepare import Prepared, prepare
from llmprof.jobs.select.speed import seconds_per_answer
from llmprof.requests import Answer, Generate, LogLikelihood, Request, RequestType, Toxicity


def plan_select(job: SelectJob) -> list[Plan]:
    """One plan a model, and one each for the scorer and the likelihood; asks nothing.

    Of a completion that is still to be made, one request each is counted.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    prepared = prepare(job)
    with open_cache(job.cache_dir) as cache:
        planner = _Planner(job, prepared, cache)
        plans = [
            planner.plan(f"completions of {each.label}", each.backend, Generate, each.requests)
            for each in prepared.sources
        ]
        missing = sum(plan.requests - plan.cached for plan in plans)
        pools = planner.known_completions()
        if (scorer := prepared.scorer) is not None:
            name = f"toxicity by {scorer.name}"
            texts = toxicity_requests(distinct_texts(pools))
            plans.append(planner.plan(name, scorer, Toxicity, texts, missing))
        if (likelihood := prepared.likelihood) is not None:
            name = f"likelihood under {likelihood.backend.model}"
            asks = likelihood_requests(likelihood.contexts, pools)
            plans.append(planner.plan(name, likelihood.backend, LogLikelihood, asks, missing))
    return plans


@dataclass(frozen=True, slots=True)
class _Planner:
    """Looks up what a job's requests would find."""

    job: SelectJob
    prepared: Prepared
    cache: ResponseCache

    def known_completions(self) -> list[Pool]:
        """The completions of each prompt that exist already."""
        items, k = self.prepared.dataset.items, self.job.drawing.k
        pools: list[Pool] = [[] for _ in items]
        for source in self.prepared.sources:
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
        dataset, tokens = self.prepared.dataset, self.job.options.max_new_tokens
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
