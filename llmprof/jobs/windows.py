"""Split the items of a profile into windows, and report progress over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

from llmprof.ledger import Progress
from llmprof.requests import Request

Listener = Callable[[str, Progress], None]

# Large enough for full batches of similar lengths and shared prefixes; small enough to need only
# tens of megabytes.
REQUESTS_AT_ONCE = 16_384


class Asking(Protocol):
    """States requests for items, like a profiler."""

    def requests(self, item: Any) -> Sequence[Request]: ...


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive items; `stated[i]` are the requests about `items[i]`."""

    items: Sequence[Any]
    stated: Sequence[Sequence[Request]]

    @property
    def requests(self) -> list[Request]:
        """All requests of the window, in order."""
        return [request for group in self.stated for request in group]


def windows(profiler: Asking, items: Sequence[Any], size: int | None = None) -> Iterator[Window]:
    """Split the items into windows of about `size` requests, never within an item.

    `size` None is `REQUESTS_AT_ONCE`.
    """
    size = size or REQUESTS_AT_ONCE
    start = 0
    stated: list[Sequence[Request]] = []
    count = 0
    for end, item in enumerate(items, 1):
        stated.append(profiler.requests(item))
        # An item without requests also needs memory.
        count += len(stated[-1]) or 1
        if count >= size or end == len(items):
            yield Window(items[start:end], stated)
            start, stated, count = end, [], 0


def count_requests(profiler: Asking, items: Sequence[Any]) -> int:
    """The number of requests about all items."""
    return sum(len(profiler.requests(item)) for item in items)


class WholeProgress:
    """Progress of a profile, computed from its windows.

    Future windows count with their requests, which are `total` in sum. A second stage counts as
    many until its own are known.
    """

    def __init__(self, total: int, listener: Listener) -> None:
        self._listener = listener
        self._to_come = total
        self._before: dict[str, Progress] = {}
        self._now: dict[str, Progress] = {}

    def begin(self, window: Window) -> None:
        """Start the next window; the previous one is done."""
        self._to_come -= sum(map(len, window.stated))
        for label, now in self._now.items():
            self._before[label] = self._so_far(label).plus(now)
        self._now = {}

    def listen(self, label: str, now: Progress) -> None:
        """Progress of the stage called `label` in this window."""
        self._now[label] = now
        self._listener(label, self._so_far(label).plus(now).plus(Progress(self._to_come)))

    def _so_far(self, label: str) -> Progress:
        return self._before.get(label, Progress(0))

    def unanswered(self) -> Iterator[tuple[str, Progress]]:
        """The stages without any answered request, by label."""
        for label, now in self._now.items():
            whole = self._so_far(label).plus(now)
            if whole.total and whole.failed == whole.total:
                yield label, whole

    @property
    def together(self) -> Progress:
        """The sum of all stages of all windows."""
        return reduce(Progress.plus, [*self._before.values(), *self._now.values()], Progress(0))
