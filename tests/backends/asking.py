"""Asks a backend as the engine does, and remembers what it hands over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio

from llmprof.backends import Backend
from llmprof.requests import Outcome, Request


@dataclass
class MemorySink:
    """Keeps every delivery; `retries` holds the reason of each."""

    delivered: list[tuple[int, Outcome]] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        self.delivered.extend(answers)

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        self.retries.append(reason)


def ask(
    backend: Backend,
    requests: Sequence[Request],
    sink: MemorySink,
    seeds: Sequence[int] | None = None,
) -> list[Outcome]:
    """The outcome of each request; fails when one was delivered twice or not at all.

    `seeds` are 0, 1, 2 … unless given.
    """

    async def run() -> None:
        try:
            await backend.answer(requests, seeds or range(len(requests)), sink)
        finally:
            await backend.aclose()

    anyio.run(run)
    assert sorted(index for index, _ in sink.delivered) == list(range(len(requests)))
    return [outcome for _, outcome in sorted(sink.delivered, key=lambda pair: pair[0])]
