"""What a selection would ask, and how much of it is answered already."""

from __future__ import annotations

from collections.abc import Sequence

from llmprof.backends import Backend, Paced
from llmprof.cache import ResponseCache, open_cache
from llmprof.engine import Engine
from llmprof.profile import Plan
from llmprof.requests import Answer, Request
from llmprof.selection.candidates import (
    Pool,
    candidates_of,
    distinct_texts,
    likelihood_requests,
    toxicity_requests,
)
from llmprof.selection.job import SelectJob
from llmprof.selection.prepare import Prepared, options_for, prepare


def plan_select(job: SelectJob) -> list[Plan]:
    """One plan a model, and one each for the scorer and the likelihood; asks nothing.

    Of a completion that is still to be made, one request each is counted.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    prepared = prepare(job)
    with open_cache(job.cache_dir) as cache:
        pools, plans = _generation(job, prepared, cache)
        missing = sum(plan.requests - plan.cached for plan in plans)
        if (scorer := prepared.scorer) is not None:
            texts = toxicity_requests(distinct_texts(pools))
            plans.append(
                _plan(f"toxicity by {scorer.name}", scorer, prepared, cache, texts, missing)
            )
        if (likelihood := prepared.likelihood) is not None:
            options = options_for(likelihood, job.options)
            items = prepared.dataset.items
            asks = likelihood_requests(items, pools, job.drawing, options, likelihood)
            name = f"likelihood under {likelihood.model}"
            plans.append(_plan(name, likelihood, prepared, cache, asks, missing))
    return plans


def _generation(
    job: SelectJob, prepared: Prepared, cache: ResponseCache
) -> tuple[list[Pool], list[Plan]]:
    """The completions that exist already, and a plan a model."""
    pools: list[Pool] = [[] for _ in prepared.dataset.items]
    plans = []
    for source in prepared.sources:
        found = Engine(cache, [source.backend]).cached(source.requests)
        for place, (item, pool) in enumerate(zip(prepared.dataset.items, pools, strict=True)):
            mine = found[place * job.drawing.k : (place + 1) * job.drawing.k]
            answers = [Answer("", response) for response in mine if response is not None]
            pool += candidates_of(item, source.label, answers)
        name = f"completions of {source.label}"
        plans.append(_plan(name, source.backend, prepared, cache, source.requests, 0))
    return pools, plans


def _plan(
    name: str,
    backend: Backend,
    prepared: Prepared,
    cache: ResponseCache,
    asks: Sequence[Request],
    unknown: int,
) -> Plan:
    cached = sum(each is not None for each in Engine(cache, [backend]).cached(asks))
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    requests = len(asks) + unknown
    return Plan(
        profiler=name,
        dataset=prepared.dataset.name,
        source=prepared.dataset.source,
        items=len(prepared.dataset.items),
        requests=requests,
        cached=cached,
        seconds=None if rate is None else (requests - cached) / rate,
    )
