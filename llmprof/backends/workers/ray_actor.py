"""The actor of a worker on a Ray cluster: the driver takes its answers one delivery at a time."""

from __future__ import annotations

import anyio

from llmprof.backends.workers.protocol import Answers, BackendRecipe, Credentials, Fault, Slice
from llmprof.backends.workers.service import Service, fault_of
from llmprof.errors import LlmprofError

# Deliveries that wait for the driver; then the backend waits too.
_AHEAD = 4


class WorkerActor:
    """Ray runs its methods in one event loop: `take` while `work` goes on.

    Taken by the driver and not streamed to it, since the client of `ray://` has no streams.
    """

    def __init__(self, recipe: BackendRecipe) -> None:
        self._recipe = recipe
        self._service: Service | None = None
        self._send, self._receive = anyio.create_memory_object_stream[Answers | None](_AHEAD)

    async def credentials(self) -> Credentials | Fault:
        try:
            self._service = Service(self._recipe)
            return self._service.credentials()
        except LlmprofError as error:
            return fault_of(error)

    async def work(self, part: Slice) -> Fault | None:
        """Answer a slice; ends when all is answered and taken, or with the fault that ended it."""
        assert self._service is not None
        try:
            return await self._service.answer(part, self._send.send)
        finally:
            await self._send.send(None)

    async def take(self) -> tuple[Answers, bool]:
        """What was answered since the last time, and whether the slice goes on."""
        taken = await self._receive.receive()
        answers: Answers = []
        while taken is not None:
            answers += taken
            try:
                taken = self._receive.receive_nowait()
            except anyio.WouldBlock:
                return answers, True
        return answers, False
