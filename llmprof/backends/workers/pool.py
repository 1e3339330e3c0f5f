"""Pool that keeps all workers busy, replaces those that die, and sends their requests again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio

from llmprof.backends.protocol import Sink
from llmprof.backends.workers.protocol import (
    Credentials,
    Worker,
    WorkerLostError,
    WorkerTransport,
    first_of_ours,
)
from llmprof.backends.workers.slices import LEAST_REQUESTS, MOST_LOSSES, Slices
from llmprof.errors import BackendError
from llmprof.requests import Request

_LOG = logging.getLogger(__name__)


class Pool:
    """The workers of one backend; they start with the first requests and end with `aclose`."""

    def __init__(self, transport: WorkerTransport, expected: Credentials) -> None:
        self._transport = transport
        self._expected = expected
        self._checked = False
        # Workers that have not been given up.
        self._busy = 0
        self._idle: dict[int, Worker] = {}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        """Answer every request through `sink`.

        Raises:
            BackendError: workers die of the same requests, or cannot be started again and again.
            LlmprofError: a worker holds another model or other versions, or cannot go on.
        """
        if not self._checked:
            await self._transport.check(self._expected)
            self._checked = True
        busy = self._busy = min(self._transport.size, -(-len(requests) // LEAST_REQUESTS))
        slices = Slices(requests, seeds, busy)
        try:
            async with anyio.create_task_group() as tasks:
                for place in range(busy):
                    tasks.start_soon(self._serve, place, slices, sink)
        except BaseExceptionGroup as errors:
            raise first_of_ours(errors) from errors

    async def aclose(self) -> None:
        """End all workers at once."""
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as tasks:
                for worker in self._idle.values():
                    tasks.start_soon(worker.aclose)
            self._idle.clear()
            await self._transport.aclose()

    async def _serve(self, place: int, slices: Slices, sink: Sink) -> None:
        """Let one worker answer until nothing is left; it, or who replaces it, is kept idle."""
        losses = 0
        while True:
            try:
                worker = await self._started(place, slices)
            except WorkerLostError as lost:
                losses += 1
                if losses < MOST_LOSSES:
                    continue
                self._busy -= 1
                if not self._busy:
                    raise BackendError(f"a worker cannot be started: {lost}") from lost
                _LOG.warning("llmprof: goes on with one worker less: it %s", lost)
                return
            if worker is None:
                return
            try:
                answered = await self._work(worker, slices, sink)
            except BaseException:
                await _end(worker)
                raise
            if answered is None:
                self._idle[place] = worker
                return
            await _end(worker)
            losses = 0 if answered else losses

    async def _work(self, worker: Worker, slices: Slices, sink: Sink) -> int | None:
        """Answer slices; None when nothing is left, or the number of answers of a lost worker."""
        answered = 0
        while (part := await slices.take()) is not None:
            try:
                async for answers in worker.answers(part):
                    await sink.deliver(answers)
                    slices.answered([place for place, _ in answers])
                    answered += len(answers)
            except WorkerLostError as lost:
                reason = f"{worker.where} {lost}"
                for place in slices.give_back(part, reason):
                    sink.retrying(place, reason, 0.0)
                return answered
        return None

    async def _started(self, place: int, slices: Slices) -> Worker | None:
        """An idle or new worker with the right model; None when all was answered meanwhile."""
        if place in self._idle:
            return self._idle.pop(place)
        with anyio.CancelScope() as scope:
            slices.cancel_when_done(scope)
            worker = await self._transport.start(place)
            try:
                self._expected.check(await worker.credentials(), worker.where)
            except BaseException:
                await _end(worker)
                raise
            return worker
        return None


async def _end(worker: Worker) -> None:
    with anyio.CancelScope(shield=True):
        await worker.aclose()
