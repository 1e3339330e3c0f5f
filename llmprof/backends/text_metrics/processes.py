"""Pool of worker processes, which are started on demand and reused."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from llmprof.errors import BackendError

# The worker finds what this process finds, and looks nowhere else: not in the current folder.
_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from llmprof.backends.text_metrics.worker import main; main()"
)
# A worker needs about 300 MB.
_MOST_WORKERS = 8
# The number of texts that a worker processes while another one starts, about a second.
_TEXTS_PER_WORKER = 128
_LONGEST_LINE = 2**30


class WorkerDiedError(Exception):
    """A worker ended before it answered, as when the machine had no memory left for it."""


class WorkerPool:
    """A pool of workers; `most` None means one per processor, up to 8."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most or min(_processors(), _MOST_WORKERS)
        self._idle: list[_Worker] = []

    def size_for(self, texts: int) -> int:
        """The number of workers for this many texts."""
        return min(self._most, math.ceil(texts / _TEXTS_PER_WORKER))

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[_Worker]:
        """A worker for the time of the block; one that was interrupted or died is not used again.

        Raises:
            BackendError: a process cannot be started.
        """
        worker = self._idle.pop() if self._idle else await _Worker.start()
        try:
            yield worker
        except BaseException:
            await worker.aclose()
            raise
        self._idle.append(worker)

    async def aclose(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()


class _Worker:
    """One process that answers one order after another."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._process = process
        self._orders = process.stdin
        self._answers = BufferedByteReceiveStream(process.stdout)

    @classmethod
    async def start(cls) -> _Worker:
        path = [os.path.abspath(folder) for folder in sys.path]
        # One thread each: the workers are as many as there are processors.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        try:
            process = await anyio.open_process(
                [sys.executable, "-P", "-c", _START, *path], stderr=None, env=environment
            )
        except OSError as error:
            raise BackendError(f"cannot start a process for text metrics: {error}") from error
        return cls(process)

    async def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """The worker's answer.

        Raises:
            WorkerDiedError: it ended instead.
        """
        try:
            await self._orders.send(json.dumps(order).encode("ascii") + b"\n")
            line = await self._answers.receive_until(b"\n", _LONGEST_LINE)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead) as gone:
            raise WorkerDiedError from gone
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            if self._process.returncode is None:
                self._process.kill()
            await self._process.aclose()


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
