"""Plans of runs: the number of requests, how many are cached, and the time at the rate limit."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmprof.backends import Backend, Paced
from llmprof.cache import open_cache
from llmprof.engine import Engine
from llmprof.jobs.runner import Loaded, Prepared
from llmprof.jobs.windows import Window
from llmprof.profilers import TwoStage
from llmprof.requests import (
    Answer,
    DescribeText,
    JudgeRefusal,
    Request,
    RequestType,
    Response,
    Toxicity,
)

# The numbers of answered and unanswered requests by scorer; None if the request names none.
_Counts = defaultdict[str | None, Counter[bool]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests of a profile, of which `cached` are in the cache.

    `seconds` is the time for the rest at the backend's rate limit, if it has one.
    """

    profiler: str
    dataset: str
    source: str
    items: int
    requests: int
    cached: int
    seconds: float | None = None


def plan_prepared(prepared: Prepared, cache_dir: Path) -> list[Plan]:
    """The plan of each profiler and data set, in their order.

    Raises:
        CacheError: the cache cannot be read.
    """
    with open_cache(cache_dir) as cache:
        engine = prepared.engine(cache)
        return [plan for each in prepared.loaded for plan in _plans(prepared, engine, each)]


def _plans(prepared: Prepared, engine: Engine, each: Loaded) -> Iterator[Plan]:
    """One plan for each backend and scorer used; the first of two stages comes first.

    If the first answers of an item are not all cached, the second stage counts one request per
    scorer for each first request.
    """
    profiler = each.profiler
    first: _Counts = defaultdict(Counter)
    second: _Counts = defaultdict(Counter)
    for window in each.windows():
        found = engine.cached(window.requests)
        _count(first, window.requests, found)
        if isinstance(profiler, TwoStage):
            known, unknown = _second_stage(profiler, profiler.needs, window, found)
            _count(second, known, engine.cached(known))
            scorers = prepared.scorers if profiler.follow_up_kind is Toxicity else {}
            for scorer in _asked(scorers):
                second[scorer][False] += unknown
    yield from _plans_of(profiler.name, each, first or {None: Counter()}, prepared)
    if isinstance(profiler, TwoStage):
        stage = f"{profiler.name} scoring"
        kind = profiler.follow_up_kind
        yield from _plans_of(stage, each, second or {None: Counter()}, prepared, second=kind)


def _asked(scorers: Mapping[str, Backend]) -> Sequence[str | None]:
    """The names of the scorers in requests: a single scorer may be unnamed."""
    return list(scorers) if len(scorers) > 1 else [None]


def _count(counts: _Counts, requests: Sequence[Request], found: Sequence[Response | None]) -> None:
    for request, response in zip(requests, found, strict=True):
        scorer = request.scorer if isinstance(request, Toxicity) else None
        counts[scorer][response is not None] += 1


def _second_stage(
    profiler: TwoStage,
    kinds: Collection[RequestType],
    window: Window,
    found: Sequence[Response | None],
) -> tuple[list[Request], int]:
    """The known requests of the second stage, and the number of unanswered requests of the first.

    `kinds` are those that the profiler requests from this model; there may be no second stage.
    """
    known: list[Request] = []
    unknown = 0
    remaining = iter(found)
    for item, group in zip(window.items, window.stated, strict=True):
        responses = [next(remaining) for _ in group]
        answers = [Answer("", response) for response in responses if response is not None]
        if len(answers) == len(group):
            known += profiler.follow_up(item, answers)
        elif profiler.follow_up_kind in kinds:
            unknown += len(group)
    return known, unknown


def _plans_of(
    stage: str,
    each: Loaded,
    counts: Mapping[str | None, Counter[bool]],
    prepared: Prepared,
    *,
    second: RequestType | None = None,
) -> Iterator[Plan]:
    merged: dict[str | None, Counter[bool]] = {}
    alone = len(prepared.scorers) < 2
    for scorer, answered in counts.items():
        merged.setdefault(None if alone else scorer, Counter()).update(answered)
    for scorer, answered in merged.items():
        name = stage if scorer is None else f"{stage} by {scorer}"
        yield _plan(name, each, answered, _backend(prepared, scorer, second))


def _backend(prepared: Prepared, scorer: str | None, second: RequestType | None) -> Backend:
    """The backend that answers; `second` is the kind of request of a second stage."""
    if scorer is not None:
        return prepared.scorers[scorer]
    if second is Toxicity:
        return next(iter(prepared.scorers.values()), prepared.backend)
    if second is DescribeText and prepared.text_metrics is not None:
        return prepared.text_metrics
    if second is JudgeRefusal and prepared.judge is not None:
        return prepared.judge
    return prepared.backend


def _plan(name: str, each: Loaded, answered: Counter[bool], backend: Backend) -> Plan:
    """`answered` counts the requests that are, True, and are not, False."""
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    return Plan(
        profiler=name,
        dataset=each.dataset.name,
        source=each.dataset.source,
        items=len(each.dataset.items),
        requests=answered.total(),
        cached=answered[True],
        seconds=None if rate is None else answered[False] / rate,
    )
