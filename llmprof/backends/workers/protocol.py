"""What passes between the driver and its workers, and what a kind of worker has to offer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from llmprof.backends.protocol import Backend, BackendOptions
from llmprof.errors import LlmprofError
from llmprof.requests import Outcome, Request

Make: TypeAlias = Callable[[BackendOptions], Backend]
Answers: TypeAlias = list[tuple[int, Outcome]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a worker makes its backend; `make` must be importable on the worker's machine."""

    make: Make
    options: BackendOptions


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a worker proves before it answers: its versions by package, its model's identity."""

    versions: Mapping[str, str]
    identity: Mapping[str, Any]

    def differences(self, other: Credentials) -> list[str]:
        """How `other` differs, in words; empty when the two give the same answers."""
        found = [
            f"{name} {other.versions.get(name, 'is missing')} instead of {version}"
            for name, version in self.versions.items()
            if other.versions.get(name) != version
        ]
        names = sorted({*self.identity, *other.identity})
        return found + [
            f"{name} {_shown(other.identity.get(name))} instead of {_shown(self.identity[name])}"
            if name in self.identity
            else f"{name} {_shown(other.identity[name])}, which is not known here"
            for name in names
            if _json(self.identity.get(name)) != _json(other.identity.get(name))
        ]


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests that one worker is asked at once; `losses` counts the workers that died of it.

    `places[i]` is the place of `requests[i]` in the whole list, and `seeds[i]` its seed.
    """

    places: tuple[int, ...]
    requests: tuple[Request, ...]
    seeds: tuple[int, ...]
    losses: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    """An error that ends the work; its class is one of `llmprof.errors`."""

    error_class: str
    message: str

    def error(self, where: str) -> LlmprofError:
        """The error as it is raised by the driver."""
        import llmprof.errors

        found = getattr(llmprof.errors, self.error_class, llmprof.errors.BackendError)
        error: LlmprofError = found(f"{where}: {self.message}")
        return error


class WorkerLostError(Exception):
    """A worker ended before it had answered; the message says why, as far as it is known."""


class Worker(Protocol):
    """One worker, which answers one slice after another."""

    @property
    def where(self) -> str:
        """What it runs on, for messages."""

    async def credentials(self) -> Credentials:
        """Make the backend and tell what it is; loads no weights.

        Raises:
            WorkerLostError: the worker ended.
            LlmprofError: the backend cannot be made there.
        """

    def answers(self, part: Slice) -> AsyncIterator[Answers]:
        """Outcomes with their places in the whole list, as they come; ends when all are there.

        The worker waits when they are not taken.

        Raises:
            WorkerLostError: the worker ended.
            LlmprofError: its backend cannot go on.
        """

    async def aclose(self) -> None:
        """End the worker at once, whatever it does."""


class Transport(Protocol):
    """Starts workers of one kind."""

    @property
    def size(self) -> int:
        """How many workers there are to be."""

    async def check(self, expected: Credentials) -> None:
        """Check whatever can be known before the first worker starts.

        Raises:
            LlmprofError: no worker could answer, with what to do.
        """

    async def start(self, place: int) -> Worker:
        """Start the worker number `place`, from 0; also in place of one that was lost.

        Raises:
            WorkerLostError: it ended at once.
            LlmprofError: it cannot be started.
        """

    async def aclose(self) -> None:
        """Free what the workers share; they are closed already."""


def first_of_ours(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of llmprof's own in a group, else the first of all."""
    ours, others = errors.split(LlmprofError)
    first: Sequence[BaseException] = (ours or others or errors).exceptions
    return first_of_ours(first[0]) if isinstance(first[0], BaseExceptionGroup) else first[0]


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= 20 else f"{text[:12]}..."
