"""Messages between the driver and its workers, and the interface of workers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from llmprof.backends.protocol import Backend, BackendOptions
from llmprof.errors import BackendError, LlmprofError
from llmprof.requests import Outcome, Request

Make: TypeAlias = Callable[[BackendOptions], Backend]
Answers: TypeAlias = list[tuple[int, Outcome]]
# Characters of a value in a message: enough to tell commits and fingerprints apart.
_SHOWN = 24


@dataclass(frozen=True, slots=True)
class BackendRecipe:
    """How a worker makes its backend; `make` must be importable on the worker's machine."""

    make: Make
    options: BackendOptions


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a worker reports before it answers: package versions, and its model's identity."""

    versions: Mapping[str, str]
    identity: Mapping[str, Any]

    def check(self, found: Credentials, where: str) -> None:
        """Refuse a worker that would give other answers.

        Raises:
            BackendError: it has other versions or another model, with the differences.
        """
        differences = [
            *_differences("{} {}", self.versions, found.versions),
            *_differences("a model whose {} is {}", self.identity, found.identity),
        ]
        if differences:
            raise BackendError(
                f"{where} has {'; '.join(differences)}; install the same versions there and give "
                "it the same model"
            )


@dataclass(frozen=True, slots=True)
class Slice:
    """Requests for one worker; `losses` counts the workers that died on them.

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


class WorkerTransport(Protocol):
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


def _differences(
    phrase: str, expected: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[str]:
    for name in dict.fromkeys([*expected, *found]):
        ours, theirs = (json.dumps(each.get(name), sort_keys=True) for each in (expected, found))
        if ours != theirs:
            yield f"{phrase.format(name, _shown(theirs))} and not {_shown(ours)}"


def _shown(value: str) -> str:
    text = value.strip('"')
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
