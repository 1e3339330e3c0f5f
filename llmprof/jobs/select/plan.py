"""Plans of selections: requests, and their time from the speed of earlier runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path

from llmprof.backends import Backend, Paced
from llmprof.cache import ResponseCache, canonical_json, open_cache
from llmprof.cache.facts import recall, remember
from llmprof.datasets import Prompt
from llmprof.engine import Engine
from llmprof.jobs.dry_run import Plan
from llmprof.jobs.select.candidates import (
    Pool,
    is_spoken,
    known_candidates,
    likelihood_requests,
)
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.prepare import SelectSetup, prepare
from llmprof.jobs.windows import REQUESTS_AT_ONCE
from llmprof.requests import (
    DescribeText,
    Generate,
    LogLikelihood,
    Request,
    RequestType,
    Response,
    Toxicity,
)

_FILE = "seconds_per_answer.json"


def plan_select(job: SelectJob) -> list[Plan]:
    """One plan per model, and one each for text metrics, scorer and likelihood; sends nothing.

    Each completion that is still to be generated counts as one request of each.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    setup = prepare(job)
    with open_cache(job.cache_dir) as cache:
        planner = _Planner(job, setup, cache)
        planner.look_up()
        return planner.plans()


class _Planner:
    """Looks up a job's requests in the cache, in groups of prompts."""

    def __init__(self, job: SelectJob, setup: SelectSetup, cache: ResponseCache) -> None:
        self._job = job
        self._setup = setup
        self._cache = cache
        # Per plan name, in order.
        self._asked: Counter[str] = Counter()
        self._cached: Counter[str] = Counter()
        self._backends: dict[str, tuple[Backend, RequestType]] = {
            f"completions of {each.label}": (each.backend, Generate) for each in setup.sources
        }
        self._about: list[tuple[str, Callable[[str], Sequence[Request]]]] = []
        named: dict[RequestType, tuple[str, Backend | None]] = {
            DescribeText: ("text metrics", setup.text_metrics),
            Toxicity: (f"toxicity by {setup.scorer.name}" if setup.scorer else "", setup.scorer),
        }
        for scores in job.completion_scores:
            name, backend = named.get(scores.kind, ("", None))
            if backend is not None:
                self._backends[name] = backend, scores.kind
                self._about.append((name, scores.about))
        self._likelihood = None
        if (likelihood := setup.likelihood) is not None:
            self._likelihood = f"likelihood under {likelihood.backend.model}"
            self._backends[self._likelihood] = likelihood.backend, LogLikelihood

    def look_up(self) -> None:
        """Count all and cached requests; nothing is known about completions that are not cached."""
        setup = self._setup
        items = iter(setup.dataset.items)
        contexts = iter(setup.likelihood.contexts if setup.likelihood else ())
        per_prompt = self._job.drawing.k * len(setup.sources)
        while some := list(islice(items, max(1, REQUESTS_AT_ONCE // per_prompt))):
            pools = self._known(some)
            spoken = [each.response for pool in pools for each in pool if is_spoken(each)]
            texts = dict.fromkeys(text for text in spoken if text is not None)
            for name, ask in self._about:
                self._count(name, [each for text in texts for each in ask(text)])
            if self._likelihood is not None:
                before = zip(islice(contexts, len(some)), pools, strict=True)
                asks = [ask for each in before for ask in likelihood_requests(*each)]
                self._count(self._likelihood, asks)

    def _known(self, items: Sequence[Prompt]) -> list[Pool]:
        """The completions of each prompt that are in the cache."""
        pools: list[Pool] = [[] for _ in items]
        for source in self._setup.sources:
            stated = [source.sampler.requests(item) for item in items]
            asks = [ask for group in stated for ask in group]
            found = iter(self._count(f"completions of {source.label}", asks))
            for item, group, pool in zip(items, stated, pools, strict=True):
                pool += known_candidates(item, source.label, [next(found) for _ in group])
        return pools

    def _count(self, name: str, asks: Sequence[Request]) -> list[Response | None]:
        backend, _ = self._backends[name]
        found = Engine(self._cache, [backend]).cached(asks)
        self._asked[name] += len(asks)
        self._cached[name] += sum(each is not None for each in found)
        return found

    def plans(self) -> list[Plan]:
        """One plan per backend; each missing completion counts as one request."""
        sampled = [f"completions of {each.label}" for each in self._setup.sources]
        to_come = sum(self._asked[name] - self._cached[name] for name in sampled)
        return [
            self._plan(name, backend, kind, 0 if name in sampled else to_come)
            for name, (backend, kind) in self._backends.items()
        ]

    def _plan(self, name: str, backend: Backend, kind: RequestType, to_come: int) -> Plan:
        dataset, tokens = self._setup.dataset, self._job.options.max_new_tokens
        requests, cached = self._asked[name] + to_come, self._cached[name]
        seconds = seconds_per_answer(self._job.cache_dir, backend, kind.kind, tokens)
        return Plan(
            profiler=name,
            dataset=dataset.name,
            source=dataset.source,
            items=len(dataset.items),
            requests=requests,
            cached=cached,
            seconds=None if seconds is None else (requests - cached) * seconds,
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
    """Store the time per answer, for later estimates."""
    remember(cache_dir / _FILE, _key(backend, kind, max_new_tokens), seconds)


def _key(backend: Backend, kind: str, max_new_tokens: int) -> str:
    content = {
        "backend": dict(backend.identity),
        "kind": kind,
        "max_new_tokens": max_new_tokens,
    }
    return sha256(canonical_json(content).encode()).hexdigest()
