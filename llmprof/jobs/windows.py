"""Windows: the items of a profile in parts that are asked about, scored and let go in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from llmprof.engine import Progress
from llmprof.profilers import Profiler
from llmprof.requests import Request

Listener = Callable[[str, Progress], None]


@dataclass(frozen=True, slots=True)
class Window:
    """Items that follow each other; `stated[i]` is what is asked about `items[i]`."""

    items: Sequence[Any]
    stated: Sequence[Sequence[Request]]

    @property
    def requests(self) -> list[Request]:
        """All that is asked, in order."""
        return [request for group in self.stated for request in group]


def windows(profiler: Profiler, items: Sequence[Any], size: int) -> Iterator[Window]:
    """All items, cut where `size` requests are stated, but never within an item."""
    start = 0
    stated: list[Sequence[Request]] = []
    count = 0
    for end, item in enumerate(items, 1):
        stated.append(profiler.requests(item))
        # An item that nothing is asked about takes memory too.
        count += len(stated[-1]) or 1
        if count >= size or end == len(items):
            yield Window(items[start:end], stated)
            start, stated, count = end, [], 0


def count_requests(profiler: Profiler, items: Sequence[Any]) -> int:
    """How many requests are stated about all items."""
    return sum(len(profiler.requests(item)) for item in items)


class WholeProgress:
    """Tells how far a profile has come, from how far its windows have.

    The windows that are still to come count with the requests that are stated about them, of which
    there are `total` in all. A second stage is taken to ask as many until its own are known.
    """

    def __init__(self, total: int, listener: Listener) -> None:
        self._listener = listener
        self._to_come = total
        self._before: dict[str, Progress] = {}
        self._now: dict[str, Progress] = {}

    def begin(self, window: Window) -> None:
        """The window before is done, and this one is next."""
        self._to_come -= sum(map(len, window.stated))
        for label, now in self._now.items():
            self._before[label] = self._so_far(label).plus(now)
        self._now = {}

    def listen(self, label: str, now: Progress) -> None:
        """How far one of the stages, which `label` names, has come in this window."""
        self._now[label] = now
        self._listener(label, self._so_far(label).plus(now).plus(Progress(self._to_come)))

    def _so_far(self, label: str) -> Progress:
        return self._before.get(label, Progress(0))

    @property
    def together(self) -> Progress:
        """The sum of all stages of all windows."""
        return reduce(Progress.plus, [*self._before.values(), *self._now.values()], Progress(0))
