"""Asks a backend and collects what it delivers."""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from llmprof.backends.protocol import Backend
from llmprof.backends.workers.protocol import BackendRecipe
from llmprof.backends.workers.spread import SpreadBackend
from llmprof.backends.workers.subprocesses import LocalPlace, ProcessTransport
from llmprof.options import BackendOptions
from llmprof.requests import Generate, Outcome, Request
from tests.backends.workers.echo import EchoBackend


class Collected:
    """A sink that keeps the answers; a place that is answered twice fails."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.again: list[tuple[int, str]] = []

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        for place, outcome in answers:
            assert place not in self.outcomes
            self.outcomes[place] = outcome

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        self.again.append((index, reason))

    @property
    def texts(self) -> list[str]:
        return [self.outcomes[place].text for place in range(len(self.outcomes))]  # type: ignore[union-attr]

    @property
    def processes(self) -> set[int]:
        return {each.details["process"] for each in self.outcomes.values()}  # type: ignore[union-attr]


def echoes(workers: int = 2, **environment: str) -> SpreadBackend:
    """Echo backends in processes; `environment` is theirs alone."""
    options = BackendOptions("echo")
    recipe = BackendRecipe(EchoBackend, options)
    places = [LocalPlace(f"cpu {number}", recipe, environment) for number in range(workers)]
    return SpreadBackend(EchoBackend(options), ProcessTransport(places))


def ask(backend: Backend, requests: Sequence[Request]) -> Collected:
    """All answers; the seed of a request is its place."""

    async def answer() -> Collected:
        sink = Collected()
        try:
            await backend.answer(requests, range(len(requests)), sink)
        finally:
            await backend.aclose()
        return sink

    return anyio.run(answer)


def prompts(count: int) -> list[Request]:
    return [Generate(f"prompt {number}") for number in range(count)]
