"""Workers that are processes on this machine, one for each device or group of devices."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from llmprof.backends.workers.child import HEADER_BYTES, frame
from llmprof.backends.workers.protocol import (
    Answers,
    BackendRecipe,
    Credentials,
    Fault,
    Slice,
    Worker,
    WorkerLostError,
)
from llmprof.errors import BackendError

# A fresh process, which finds what this one finds: the current folder is not searched, and a
# script that calls llmprof is not run again, as multiprocessing would.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from llmprof.backends.workers.child import main; main()"
)


@dataclass(frozen=True, slots=True)
class LocalPlace:
    """Where a worker process runs: `name` for messages, its recipe, what its environment adds."""

    name: str
    recipe: BackendRecipe
    environment: Mapping[str, str]


class ProcessTransport:
    """Starts a process for each place."""

    def __init__(self, places: Sequence[LocalPlace]) -> None:
        self._places = places

    @property
    def size(self) -> int:
        return len(self._places)

    async def check(self, expected: Credentials) -> None:
        """Devices and memory were checked when they were chosen."""

    async def start(self, place: int) -> Worker:
        chosen = self._places[place]
        path = [os.path.abspath(folder) for folder in sys.path]
        try:
            process = await anyio.open_process(
                [sys.executable, "-P", "-c", _START, *path],
                stderr=None,
                env={**os.environ, **chosen.environment},
            )
        except OSError as error:
            raise BackendError(
                f"cannot start a process for {chosen.name}: {error.strerror}; use fewer workers"
            ) from error
        return _ProcessWorker(process, chosen)

    async def aclose(self) -> None:
        """Processes share nothing."""


class _ProcessWorker:
    def __init__(self, process: Process, place: LocalPlace) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._orders = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)
        self._place = place

    @property
    def where(self) -> str:
        return f"the worker on {self._place.name} (process {self._process.pid})"

    async def credentials(self) -> Credentials:
        await self._send(self._place.recipe)
        found: Credentials = await self._receive()
        return found

    async def answers(self, part: Slice) -> AsyncIterator[Answers]:
        await self._send(part)
        while (answers := await self._receive()) is not None:
            yield answers

    async def aclose(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.aclose()

    async def _send(self, message: object) -> None:
        try:
            await self._orders.send(frame(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as gone:
            raise await self._lost() from gone

    async def _receive(self) -> Any:
        try:
            header = await self._answers.receive_exactly(HEADER_BYTES)
            content = await self._answers.receive_exactly(int.from_bytes(header, "big"))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead) as gone:
            raise await self._lost() from gone
        message = pickle.loads(content)
        if isinstance(message, Fault):
            raise message.error(self.where)
        return message

    async def _lost(self) -> WorkerLostError:
        return WorkerLostError(_ending(await self._process.wait()))


def _ending(code: int) -> str:
    """How a process ended, in words.

    >>> _ending(-9)
    'was killed by SIGKILL, as the system does when memory runs out'
    """
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    advice = ", as the system does when memory runs out" if -code == signal.SIGKILL else ""
    return f"was killed by {name}{advice}"
