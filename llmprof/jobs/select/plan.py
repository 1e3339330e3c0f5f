"""Plan a selection: its requests, and how long they take, from the speed of earlier runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from llmprof.backends import Backend, Paced
from llmprof.cache import ResponseCache, canonical_json, open_cache
from llmprof.cache.facts import recall, remember
from llmprof.engine import Engine
from llmprof.jobs.dry_run import Plan
from llmprof.jobs.select.candidates import (
    Pool,
    candidates_of,
    distinct_texts,
    likelihood_requests,
    text_requests,
    toxicity_requests,
)
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.prepare import SelectSetup, prepare
from llmprof.requests import (
    Answer,
    DescribeText,
    Generate,
    LogLikelihood,
    Request,
    RequestType,
    Toxicity,
)

_FILE = "seconds_per_answer.json"


def plan_select(job: SelectJob) -> list[Plan]:
    """One plan per model, and one each for text metrics, scorer and likelihood; asks nothing.

    Each completion that is still to be generated counts as one request of each.

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
        texts = distinct_texts(pools)
        if (describer := setup.text_metrics) is not None:
            about = text_requests(texts, job.text_metrics)
            plans.append(planner.plan("text metrics", describer, DescribeText, about, missing))
        if (scorer := setup.scorer) is not None:
            name = f"toxicity by {scorer.name}"
            scored = toxicity_requests(texts)
            plans.append(planner.plan(name, scorer, Toxicity, scored, missing))
        if (likelihood := setup.likelihood) is not None:
            name = f"likelihood under {likelihood.backend.model}"
            asks = likelihood_requests(likelihood.contexts, pools)
            plans.append(planner.plan(name, likelihood.backend, LogLikelihood, asks, missing))
    return plans


@dataclass(frozen=True, slots=True)
class _Planner:
    """Looks up a job's requests in the cache."""

    job: SelectJob
    setup: SelectSetup
    cache: ResponseCache

    def known_completions(self) -> list[Pool]:
        """The completions of each prompt that are in the cache."""
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
        """The plan of `asks` and of `unknown` more requests."""
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


def seconds_per_answer(
    cache_dir: Path, backend: Backend, kind: str, max_new_tokens: int
) -> float | None:
    """Seconds per answer: by the backend's rate limit, else as last measured, else None.

    `kind` is the kind of request; `max_new_tokens` limits the completions that it generates or
    scores.
    """
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    if rate is not None:
        return 1 / rate
    known = recall(cache_dir / _FILE, _key(backend, kind, max_new_tokens))
    return known if isinstance(known, float) else None


def remember_speed(
    cache_dir: Path, backend: Backend, kind: str, max_new_tokens: int, seconds: float
) -> None:
    """Remember how many seconds an answer took, for later estimates."""
    remember(cache_dir / _FILE, _key(backend, kind, max_new_tokens), seconds)


def _key(backend: Backend, kind: str, max_new_tokens: int) -> str:
    content = {
        "backend": dict(backend.identity),
        "kind": kind,
        "max_new_tokens": max_new_tokens,
    }
    return sha256(canonical_json(content).encode()).hexdigest()
