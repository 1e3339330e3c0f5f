"""Keeps answers that make up one score together, each as soon as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from llmprof.backends.protocol import Backend, Corrected, Sink
from llmprof.cache import ResponseCache, request_key
from llmprof.requests import Outcome, Request
from llmprof.responses import Failure


class KeptAnswers:
    """Asks a backend for what the cache of responses does not have, and stores what it answers.

    A score is stored by the engine when all of its answers are there. An interruption would lose
    the others, which may have been paid for. Without a `cache_dir` nothing is kept. Answers that
    are not `is_kept` are asked again.
    """

    def __init__(
        self, backend: Backend, cache_dir: Path | None, is_kept: Callable[[Outcome], bool]
    ) -> None:
        self._backend = backend
        self._cache = None if cache_dir is None else ResponseCache(cache_dir / "responses")
        self._is_kept = is_kept

    async def answer(self, requests: Sequence[Request], sink: Sink) -> None:
        """Answer every request through `sink`, in any order; sampled ones with seed 0.

        Raises:
            BackendError: the backend cannot continue.
            CacheError: the cache cannot be read or written.
        """
        if self._cache is None:
            await self._backend.answer(requests, [0] * len(requests), sink)
            return
        keys = [self._key(request) for request in requests]
        found = await anyio.to_thread.run_sync(self._cache.get_many, keys, requests)
        known = [(place, each) for place, each in enumerate(found) if each is not None]
        if known:
            await sink.deliver(known)
        places = [place for place, each in enumerate(found) if each is None]
        if places:
            asked = [requests[place] for place in places]
            keeping = _Keeping(self._cache, self._backend.model, keys, requests, places, sink,
                               self._is_kept)  # fmt: skip
            await self._backend.answer(asked, [0] * len(asked), keeping)

    def close(self) -> None:
        """Close the cache."""
        if self._cache is not None:
            self._cache.close()

    def _key(self, request: Request) -> str:
        backend = self._backend
        marks = backend.corrections(request) if isinstance(backend, Corrected) else {}
        return request_key({**backend.identity, **marks}, request)


@dataclass(frozen=True, slots=True)
class _Keeping:
    """Stores each answer before it is handed on; `places` are those of the requests asked."""

    cache: ResponseCache
    model: str
    keys: Sequence[str]
    requests: Sequence[Request]
    places: Sequence[int]
    sink: Sink
    is_kept: Callable[[Outcome], bool]

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        placed = [(self.places[index], outcome) for index, outcome in answers]
        kept = [
            (self.keys[place], self.requests[place], outcome)
            for place, outcome in placed
            if not isinstance(outcome, Failure) and self.is_kept(outcome)
        ]
        if kept:
            # Shielded from Ctrl-C, as in the engine.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.cache.put_many, self.model, kept)
        await self.sink.deliver(placed)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        self.sink.retrying(self.places[index], reason, delay_seconds)
