"""What runs in a worker, wherever it is: makes the backend, tells what it is, answers slices."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from llmprof.backends.protocol import Backend
from llmprof.backends.workers.protocol import Answers, BackendRecipe, Credentials, Fault, Slice
from llmprof.errors import DISTRIBUTION, LlmprofError
from llmprof.requests import Outcome

# Stands for the version of a package that is not installed.
MISSING = "(missing)"
# What can change an answer besides the model. The driver compares all of them.
_PACKAGES = (DISTRIBUTION, "torch", "transformers")


def credentials_of(backend: Backend) -> Credentials:
    """The credentials of a backend in this process."""
    return Credentials({name: _version(name) for name in _PACKAGES}, dict(backend.identity))


def _version(package: str) -> str:
    if package == DISTRIBUTION:
        # That of the code that runs: a source tree on the path has no distribution.
        return str(import_module("llmprof").__version__)
    try:
        return version(package)
    except PackageNotFoundError:
        return MISSING


class Service:
    """Answers with a backend that was made by `recipe`."""

    def __init__(self, recipe: BackendRecipe) -> None:
        self._backend = recipe.make(recipe.options)

    def credentials(self) -> Credentials:
        return credentials_of(self._backend)

    async def answer(self, part: Slice, send: Callable[[Answers], Awaitable[None]]) -> Fault | None:
        """Answer all requests through `send`; a fault when the backend cannot go on."""
        try:
            await self._backend.answer(part.requests, part.seeds, _Outbox(part.places, send))
        except LlmprofError as error:
            return fault_of(error)
        return None


def fault_of(error: LlmprofError) -> Fault:
    """An error as the driver is told of it."""
    return Fault(type(error).__name__, str(error))


class _Outbox:
    """The sink of a worker's backend, which asks no network and so never retries."""

    def __init__(self, places: tuple[int, ...], send: Callable[[Answers], Awaitable[None]]) -> None:
        self._places = places
        self._send = send

    async def deliver(self, answers: Sequence[tuple[int, Outcome]]) -> None:
        await self._send([(self._places[index], outcome) for index, outcome in answers])

    def retrying(self, index: int, reason: str, delay_seconds: float) -> None:
        """Nothing to tell."""
