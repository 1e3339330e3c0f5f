"""Answer the requests of a profile with two stages, both at the same time.

First answers flow to the second stage while more are generated: with a model and a scorer, a
profile takes about as long as the slower of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from llmprof.engine import Engine
from llmprof.ledger import Progress, ProgressListener
from llmprof.requests import Answer, Request

# The maximum number of items that wait for the second stage before the first one pauses.
_WAITING_ITEMS = 64

FollowUp = Callable[[int, Sequence[Answer]], Sequence[Request]]


async def answer_two_stages(
    engine: Engine,
    stated: Sequence[Sequence[Request]],
    follow_up: FollowUp,
    first_listener: ProgressListener,
    second_listener: ProgressListener,
) -> list[list[Answer]]:
    """The answers to each item's first requests, followed by those to its second ones.

    `stated[i]` are the first requests of item i; once all are answered, `follow_up(i, answers)`
    returns its second ones. Both stages run at the same time. The second listener's total counts
    one request for each first one until the item's second requests are stated.

    Raises:
        BackendError: a backend of either stage cannot continue; the other stage is stopped, and
            earlier answers of both are in the cache.
        CacheError: the cache cannot be read or written.
    """
    send, receive = anyio.create_memory_object_stream[int](_WAITING_ITEMS)
    first = _FirstStage(stated, send)
    second = _SecondStage(engine, first, follow_up, second_listener)
    try:
        # The receiving end stays open until both tasks end, so that an error in one does not appear
        # as a broken stream in the other.
        with receive:
            async with anyio.create_task_group() as tasks, send:
                tasks.start_soon(second.run, receive)
                await first.run(engine, first_listener)
    except ExceptionGroup as failed:
        raise _first_cause(failed) from failed
    return [[*first.answers(item), *second.answers[item]] for item in range(len(stated))]


class _FirstStage:
    """Collects the first answers of each item, and passes the item on when it has all."""

    def __init__(
        self, stated: Sequence[Sequence[Request]], send: MemoryObjectSendStream[int]
    ) -> None:
        self.stated = stated
        self._send = send
        self._places = [
            (item, place) for item, group in enumerate(stated) for place in range(len(group))
        ]
        self._found: list[dict[int, Answer]] = [{} for _ in stated]

    def answers(self, item: int) -> list[Answer]:
        found = self._found[item]
        return [found[place] for place in range(len(self.stated[item]))]

    async def run(self, engine: Engine, listener: ProgressListener) -> None:
        for item, group in enumerate(self.stated):
            if not group:
                await self._send.send(item)
        requests = [request for group in self.stated for request in group]
        await engine.answer(requests, listener, self._receive)

    async def _receive(self, index: int, answer: Answer) -> None:
        item, place = self._places[index]
        self._found[item][place] = answer
        if len(self._found[item]) == len(self.stated[item]):
            await self._send.send(item)


class _SecondStage:
    """Sends the requests of all waiting items at once, then those of items that arrived
    meanwhile."""

    def __init__(
        self,
        engine: Engine,
        first: _FirstStage,
        follow_up: FollowUp,
        listener: ProgressListener,
    ) -> None:
        self.answers: dict[int, list[Answer]] = {}
        self._engine = engine
        self._first = first
        self._follow_up = follow_up
        self._listener = listener
        self._before = Progress(total=0)
        self._total = sum(len(group) for group in first.stated)

    async def run(self, receive: MemoryObjectReceiveStream[int]) -> None:
        async for item in receive:
            await self._ask([item, *_waiting(receive)])

    async def _ask(self, items: Sequence[int]) -> None:
        stated = [list(self._follow_up(item, self._first.answers(item))) for item in items]
        self._total += sum(
            len(group) - len(self._first.stated[item])
            for item, group in zip(items, stated, strict=True)
        )
        now = Progress(total=0)

        def listen(progress: Progress) -> None:
            nonlocal now
            now = progress
            self._listener(replace(self._before.plus(progress), total=self._total))

        answers = iter(
            await self._engine.answer([ask for group in stated for ask in group], listen)
        )
        self._before = self._before.plus(now)
        for item, group in zip(items, stated, strict=True):
            self.answers[item] = [next(answers) for _ in group]


def _waiting(receive: MemoryObjectReceiveStream[int]) -> Iterator[int]:
    while True:
        try:
            yield receive.receive_nowait()
        except (anyio.WouldBlock, anyio.EndOfStream):
            return


def _first_cause(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    first = failed.exceptions[0]
    return _first_cause(first) if isinstance(first, BaseExceptionGroup) else first
