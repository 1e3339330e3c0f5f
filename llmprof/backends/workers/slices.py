"""Divides requests into slices by expected cost: large ones first, smaller ones at the end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import anyio

from llmprof.backends.workers.protocol import Slice
from llmprof.errors import BackendError
from llmprof.requests import Generate, JudgeRefusal, LogLikelihood, PseudoLogLikelihood, Request

# A slice is asked so many times in all.
MOST_LOSSES = 3
# A worker takes half of its share of what is left, so that all end together, and at least this
# part of its share of the whole, since every slice ends with a batch that is not full.
_LEAST_PART = 1 / 8
# The minimum size of a slice, and for starting another worker.
LEAST_REQUESTS = 8
_CHARACTERS_PER_TOKEN = 4
# Texts with this many equal characters at the beginning are likely to share a prefix.
_COMMON_START = 24


class Slices:
    """Hands out `requests` to `workers` and keeps account of those without an answer."""

    def __init__(self, requests: Sequence[Request], seeds: Sequence[int], workers: int) -> None:
        self._requests = requests
        self._seeds = seeds
        self._workers = workers
        self._units = deque(_units(requests))
        self._total = self._left = sum(cost for _, cost in self._units)
        self._again: deque[Slice] = deque()
        self._open = set(range(len(requests)))
        self._changed = anyio.Event()
        self._waiting: set[anyio.CancelScope] = set()

    async def take(self) -> Slice | None:
        """The next slice; waits while all are being answered, and is None when all are."""
        while self._open:
            if self._again:
                return self._again.popleft()
            if self._units:
                return self._cut()
            await self._changed.wait()
        return None

    def answered(self, places: Sequence[int]) -> None:
        """Count these as answered; the last one ends all that wait for nothing else."""
        self._open.difference_update(places)
        if not self._open:
            self._wake()
            for scope in self._waiting:
                scope.cancel()

    def give_back(self, part: Slice, reason: str) -> Sequence[int]:
        """Ask again what a lost worker has not answered; returns the places of those requests.

        Raises:
            BackendError: as many workers as are allowed were lost while they answered it.
        """
        kept = [index for index, place in enumerate(part.places) if place in self._open]
        if not kept:
            return ()
        if part.losses + 1 >= MOST_LOSSES:
            raise BackendError(
                f"{MOST_LOSSES} workers ended while they answered the same {len(kept)} requests; "
                f"the last one: {reason}; use fewer workers or a smaller --batch-size if memory "
                "is short"
            )
        again = Slice(
            tuple(part.places[index] for index in kept),
            tuple(part.requests[index] for index in kept),
            tuple(part.seeds[index] for index in kept),
            part.losses + 1,
        )
        self._again.append(again)
        self._wake()
        return again.places

    def cancel_when_done(self, scope: anyio.CancelScope) -> None:
        """Cancel `scope` as soon as all requests are answered."""
        self._waiting.add(scope)
        if not self._open:
            scope.cancel()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    def _cut(self) -> Slice:
        share = max(self._left / 2, self._total * _LEAST_PART) / self._workers
        places: list[int] = []
        cost = 0.0
        while self._units and (cost < share or len(places) < LEAST_REQUESTS):
            unit, its_cost = self._units.popleft()
            places += unit
            cost += its_cost
        self._left -= cost
        return Slice(
            tuple(places),
            tuple(self._requests[place] for place in places),
            tuple(self._seeds[place] for place in places),
        )


def _units(requests: Sequence[Request]) -> list[tuple[list[int], float]]:
    """Requests that belong together, by place, with their cost; of each kind the costliest first.

    Completions of one prompt and texts with a common beginning belong together.
    """
    units: dict[tuple[str, object], list[int]] = {}
    for place, request in enumerate(requests):
        units.setdefault((request.kind, _common(request, place)), []).append(place)
    kinds = list(dict.fromkeys(kind for kind, _ in units))
    priced = [
        (kind, places, sum(expected_cost(requests[place]) for place in places))
        for (kind, _), places in units.items()
    ]
    priced.sort(key=lambda unit: (kinds.index(unit[0]), -unit[2] / len(unit[1])))
    return [(places, cost) for _, places, cost in priced]


def _common(request: Request, place: int) -> object:
    if isinstance(request, Generate):
        return request.prompt
    if isinstance(request, LogLikelihood):
        return request.context or request.continuation[:_COMMON_START]
    return place


def expected_cost(request: Request) -> float:
    """The tokens that a model reads and writes for a request, estimated from its characters.

    >>> expected_cost(LogLikelihood("four", "more"))
    3.0
    """
    if isinstance(request, Generate):
        prompt = request.prompt
        texts = [prompt] if isinstance(prompt, str) else [each.content for each in prompt]
        return _tokens(*texts) + request.sampling.max_new_tokens
    if isinstance(request, LogLikelihood):
        return _tokens(request.context, request.continuation)
    if isinstance(request, PseudoLogLikelihood):
        # The sentence is read once for each of its tokens.
        return _tokens(request.sentence) ** 2
    if isinstance(request, JudgeRefusal):
        return _tokens(request.prompt, request.completion)
    return _tokens(request.text)


def _tokens(*texts: str) -> float:
    return 1 + sum(map(len, texts)) / _CHARACTERS_PER_TOKEN
