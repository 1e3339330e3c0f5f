"""Answers requests from the cache, or from a backend if they are not cached."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio
import anyio.to_thread

from llmprof.backends.protocol import Backend, Corrected
from llmprof.cache.keys import request_keys, request_seed
from llmprof.cache.storage import ResponseCache
from llmprof.errors import BackendError, CapabilityError
from llmprof.ledger import Ledger, Observation, Observer, ProgressListener, Receiver, Refusals
from llmprof.requests import Answer, Outcome, Request, Response, Toxicity
from llmprof.responses import (
    NOT_FINITE,
    Completion,
    Embedding,
    Failure,
    TextScores,
    TokenLogProbs,
    ToxicityScores,
    whole_characters,
)

_LOG = logging.getLogger(__name__)
_LOOKUP_CHUNK = 500
# Seconds between two polls of the cache for answers of another process.
_SHORTEST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class Engine:
    """Answers requests from a cache and from backends, one backend per kind of request.

    The first backend that has the capability answers a kind; but toxicity requests are answered
    only by `scorers`, if there are any: by the one that the request names, or the first. `observer`
    gets every toxicity request with its outcome, once, in a worker thread.
    """

    def __init__(
        self,
        cache: ResponseCache,
        backends: Sequence[Backend],
        *,
        scorers: Mapping[str, Backend] | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._cache = cache
        self._backends = tuple(backends)
        self._scorers = dict(scorers or {})
        self._observer = observer
        self._refusals = Refusals()
        self._spent: dict[int, tuple[int, float]] = {}

    def seconds_per_answer(self, backend: Backend) -> float | None:
        """Seconds that a new answer of this backend took so far; None if there is none."""
        count, seconds = self._spent.get(id(backend), (0, 0.0))
        return seconds / count if count else None

    def backend_for(self, kind: type[Request], scorer: str | None = None) -> Backend:
        """The backend that answers this kind of request.

        Raises:
            CapabilityError: none does.
        """
        if self._scorers and issubclass(kind, Toxicity):
            return self._scorers[next(iter(self._scorers)) if scorer is None else scorer]
        for backend in self._backends:
            if kind in backend.capabilities:
                return backend
        names = ", ".join(backend.name for backend in self._backends)
        raise CapabilityError(f"no backend answers {kind.kind} requests (there is: {names})")

    def cached(self, requests: Sequence[Request]) -> list[Response | None]:
        """The cached response to each request; None if there is none.

        Raises:
            CacheError: the cache cannot be read.
        """
        return self._cache.get_many(self._keys(requests), requests)

    async def answer(
        self,
        requests: Sequence[Request],
        listener: ProgressListener = lambda progress: None,
        receiver: Receiver | None = None,
    ) -> list[Answer]:
        """Answer every request; equal requests are sent once.

        `listener` is called in the event loop's thread after each answer. `receiver` is awaited
        with the index and answer of each request as soon as it is known, cached ones first; while
        it waits, the backend delivers no further answers.

        Raises:
            BackendError: a backend cannot continue; its earlier answers are in the cache.
            CacheError: the cache cannot be read or written.
        """
        keys = self._keys(requests)
        unique = dict(zip(keys, requests, strict=True))
        ledger = Ledger(keys, listener, receiver, self._observation(unique))
        missing = await self._look_up(unique, ledger)
        for backend in (*self._backends, *self._scorers.values()):
            mine = {
                key: missing.pop(key)
                for key in tuple(missing)
                if self._backend_of(missing[key]) is backend
            }
            if mine:
                await self._share(backend, mine, ledger)
        return [Answer(key, ledger.outcomes[key]) for key in keys]

    def _backend_of(self, request: Request) -> Backend:
        return self.backend_for(type(request), _scorer_of(request))

    def _observation(self, unique: dict[str, Request]) -> Observation | None:
        if self._observer is None:
            return None
        asked = {key: ask for key, ask in unique.items() if isinstance(ask, Toxicity)}
        return Observation(asked, self._observer)

    def _keys(self, requests: Sequence[Request]) -> list[str]:
        alike: dict[tuple[Any, ...], dict[Request, None]] = {}
        for request in dict.fromkeys(requests):
            marks = self._corrections(request)
            alike.setdefault((type(request), _scorer_of(request), marks), {})[request] = None
        keys: dict[Request, str] = {}
        for (kind, scorer, marks), asked in alike.items():
            identity = {**self.backend_for(kind, scorer).identity, **dict(marks)}
            keys.update(zip(asked, request_keys(identity, asked), strict=True))
        return [keys[request] for request in requests]

    def _corrections(self, request: Request) -> tuple[tuple[str, str], ...]:
        backend = self._backend_of(request)
        return tuple(backend.corrections(request).items()) if isinstance(backend, Corrected) else ()

    async def _look_up(self, unique: dict[str, Request], ledger: Ledger) -> dict[str, Request]:
        missing: dict[str, Request] = {}
        pairs = list(unique.items())
        for start in range(0, len(pairs), _LOOKUP_CHUNK):
            chunk = pairs[start : start + _LOOKUP_CHUNK]
            found = await anyio.to_thread.run_sync(
                self._cache.get_many, [key for key, _ in chunk], [ask for _, ask in chunk]
            )
            answered: list[tuple[str, Outcome]] = []
            for (key, request), response in zip(chunk, found, strict=True):
                if response is None:
                    missing[key] = request
                else:
                    answered.append((key, response))
                    backend = self._backend_of(request)
                    self._refusals.note(backend.name, request.kind, response)
            await ledger.record(answered, cached=True)
        return missing

    async def _share(self, backend: Backend, missing: dict[str, Request], ledger: Ledger) -> None:
        """Claim and send requests in parts; poll the cache for those claimed by other processes."""
        pause, first, told = _SHORTEST_PAUSE, True, False
        while missing:
            with self._cache.claims.claim(missing, first=first) as claimed:
                mine = {key: missing.pop(key) for key in tuple(missing) if key in claimed}
                # Another process may have answered and released them since the last poll.
                if mine := await self._look_up(mine, ledger):
                    await self._ask(backend, mine, ledger)
            first = first and not claimed
            if claimed:
                pause = _SHORTEST_PAUSE
            elif missing:
                if pause == _LONGEST_PAUSE and not told:
                    told = True
                    _LOG.info(
                        "llmprof: waiting for answers that another process asks for, %d now",
                        len(missing),
                    )
                await anyio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                missing = await self._look_up(missing, ledger)

    async def _ask(self, backend: Backend, asked: dict[str, Request], ledger: Ledger) -> None:
        keys = list(asked)
        requests = list(asked.values())
        sink = _CachingSink(self._cache, backend, keys, requests, ledger, self._refusals)
        began = time.monotonic()
        await backend.answer(requests, [request_seed(key) for key in keys], sink)
        count, seconds = self._spent.get(id(backend), (0, 0.0))
        spent = seconds + time.monotonic() - began
        self._spent[id(backend)] = count + len(keys), spent
        unanswered = [key for key in keys if key not in ledger.outcomes]
        if unanswered:
            raise BackendError(
                f"backend {backend.name!r} left {len(unanswered)} of {len(keys)} requests "
                "unanswered; this is a bug in the backend: please report it"
            )


def _scorer_of(request: Request) -> str | None:
    return request.scorer if isinstance(request, Toxicity) else None


class _CachingSink:
    """Writes each answer to the cache before it counts as answered."""

    def __init__(
        self,
        cache: ResponseCache,
        backend: Backend,
        keys: Sequence[str],
        requests: Sequence[Request],
        ledger: Ledger,
        refusals: Refusals,
    ) -> None:
        self._cache = cache
        self._backend = backend
        self._refusals = refusals
        self._keys = keys
        self._requests = requests
        self._ledger = ledger

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        checked = [(index, sanitize(outcome)) for index, outcome in answers]
        kept = [
            (self._keys[index], self._requests[index], outcome)
            for index, outcome in checked
            if not isinstance(outcome, Failure)
        ]
        if kept:
            # Shielded from Ctrl-C: an answer that has arrived, and may have been paid for, is kept.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._cache.put_many, self._backend.model, kept)
        await self._ledger.record(
            [(self._keys[index], outcome) for index, outcome in checked], cached=False
        )
        for index, outcome in checked:
            self._refusals.note(self._backend.name, self._requests[index].kind, outcome)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        self._ledger.retried()


def sanitize(outcome: Outcome) -> Outcome:
    """Sanitize an answer before it is cached: infinite numbers and NaN become a Failure.

    A lone surrogate in a text, which no encoding of Unicode can hold, becomes U+FFFD.

    >>> sanitize(Completion("cut \\ud83d", 2, "length")).text == "cut \\N{REPLACEMENT CHARACTER}"
    True
    >>> sanitize(Embedding((0.5, math.nan)))
    Failure(error_class='NotFinite', message='the answer holds nan where a number belongs')
    """
    if isinstance(outcome, Completion):
        if outcome.text.isascii():
            return outcome
        return replace(outcome, text=whole_characters(outcome.text))
    if isinstance(outcome, Failure):
        return outcome
    for number in _numbers(outcome):
        if not math.isfinite(number):
            return Failure(NOT_FINITE, f"the answer holds {number} where a number belongs")
    return outcome


def _numbers(outcome: Outcome) -> Iterable[float]:
    if isinstance(outcome, TokenLogProbs):
        return (outcome.total, *outcome.per_token)
    if isinstance(outcome, Embedding):
        return outcome.vector
    if isinstance(outcome, TextScores | ToxicityScores):
        return (score for score in outcome.scores.values() if score is not None)
    return ()
