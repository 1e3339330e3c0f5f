"""Shows how far a run has come: a live display on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmprof.ledger import Progress
from llmprof.safe_text import printable

Listener = Callable[[str, Progress], None]

_LOG_SECONDS = 10.0
_BAR = 16
# From the first answers of a part until the time left is told.
_SETTLING_SECONDS = 5.0
_PREPARING = "preparing model and data"


@contextmanager
def show_progress(*, quiet: bool, advice: str | None = None) -> Iterator[Listener]:
    """Yield the listener that draws progress; it shows `advice` once a model has to be asked."""
    if quiet:
        yield lambda name, progress: None
    elif sys.stderr.isatty():
        with _live() as listener:
            yield _advising(listener, advice)
    else:
        clock = _Clock()
        with _telling(_print):
            yield _advising(_log_lines(clock), advice)
        if words := clock.whole():
            _print(words)


def _print(line: str) -> None:
    print(printable(line), file=sys.stderr, flush=True)


class _Teller(logging.Handler):
    """Hands over each message of llmprof's own loggers as a line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(record.getMessage())


@contextmanager
def _telling(say: Callable[[str], None]) -> Iterator[None]:
    """Show what takes long before the first request, such as the conversion of a model."""
    logger, teller = logging.getLogger("llmprof"), _Teller(say)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(teller)
    try:
        yield
    finally:
        logger.removeHandler(teller)
        logger.setLevel(before)


def _advising(listener: Listener, advice: str | None) -> Listener:
    if advice is None:
        return listener
    told = False

    def listen(name: str, progress: Progress) -> None:
        nonlocal told
        if not told and progress.done > progress.cached:
            told = True
            _print(f"llmprof: {advice}")
        listener(name, progress)

    return listen


class _Clock:
    """Times of the parts of a run, from what was asked and not from what was cached."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._began: dict[str, float] = {}
        # Of each part, from its first answers on, how much was done when: the later half of it.
        self._recent: dict[str, deque[tuple[float, int]]] = {}
        self._answered: dict[str, float] = {}

    def whole(self) -> str:
        """How long all parts took, where there were several and it was a second or more."""
        seconds = time.monotonic() - self._start
        if len(self._began) < 2 or seconds < 1:
            return ""
        return f"all {len(self._began)} parts took {_duration(seconds)}, preparation included"

    def elapsed(self, name: str) -> float:
        """Seconds since the first news of a part."""
        now = time.monotonic()
        return now - self._began.setdefault(name, now)

    def words(self, name: str, progress: Progress) -> str:
        """How fast a part is and how long it will take; how long it took when it is done."""
        seconds = self.elapsed(name)
        if progress.done >= progress.total:
            return f"took {_duration(seconds)}" if seconds >= 1 else ""
        if progress.done <= progress.cached:
            return ""
        began, before = self._halfway(name, seconds, progress.done)
        if progress.done <= before:
            return ""
        # What is left is taken to be cached in part, as what was done is.
        left = (progress.total - progress.done) * (seconds - began) / (progress.done - before)
        speed = f"{progress.tokens / seconds:.0f} tokens/s, " if progress.tokens else ""
        return f"{speed}{_duration(left)} left"

    def _halfway(self, name: str, seconds: float, done: int) -> tuple[float, int]:
        """When half of the time since the first answers was over, and how much was done by then.

        The first answers also wait for the model and come from small batches, so that only the
        later half shows how fast a part is. In the first seconds, that half is empty.
        """
        first = self._answered.setdefault(name, seconds)
        recent = self._recent.setdefault(name, deque([(seconds, done)]))
        if seconds - recent[-1][0] >= 1:
            recent.append((seconds, done))
        while len(recent) > 1 and recent[1][0] <= (first + seconds) / 2:
            recent.popleft()
        return recent[0] if seconds - first >= _SETTLING_SECONDS else (seconds, done)


def _duration(seconds: float) -> str:
    """Minutes and seconds, and hours where there are any.

    >>> _duration(65.4), _duration(3725)
    ('1:05', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _Failures:
    """The first message of each class of failure, and the remarks, each to be shown once."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, str]] = set()

    def new(self, name: str, progress: Progress) -> Iterator[str]:
        """Lines about what was not shown yet."""
        for failure, message in progress.failures.items():
            if (name, failure) not in self._shown:
                self._shown.add((name, failure))
                yield f"{name}: request failed ({failure}: {message})"
        for remark, message in progress.remarks.items():
            if (name, remark) not in self._shown:
                self._shown.add((name, remark))
                yield f"{name}: {message}"


@contextmanager
def _live() -> Iterator[Listener]:
    from rich import progress as bars
    from rich.console import Console
    from rich.table import Column

    # Only names and notes may be broken, between words: at 80 columns all numbers stay whole.
    folding, whole = Column(overflow="fold"), Column(no_wrap=True, justify="right")
    with bars.Progress(
        # It turns while a batch of texts is read or scored and nothing can be counted.
        bars.SpinnerColumn(finished_text=" "),
        bars.TextColumn("{task.description}", markup=False, table_column=folding),
        bars.BarColumn(bar_width=_BAR),
        bars.TextColumn("{task.fields[count]}", table_column=whole),
        bars.TextColumn("{task.fields[times]}", table_column=whole),
        console=Console(stderr=True),
    ) as display:
        tasks: dict[str, bars.TaskID] = {}
        failures = _Failures()
        clock = _Clock()
        # A bar without end, until there is something to count.
        preparing = display.add_task(_PREPARING, total=None, count="", times="")

        def say(line: str) -> None:
            display.console.print(printable(line), markup=False, highlight=False)

        def listen(name: str, progress: Progress) -> None:
            if not tasks:
                display.update(preparing, visible=False)
            if name not in tasks:
                tasks[name] = display.add_task(
                    printable(name), total=progress.total, count="", times=""
                )
            note = _note(progress, zeros=False)
            display.update(
                tasks[name],
                description=printable(f"{name}: {note}" if note else name),
                completed=progress.done,
                total=progress.total,
                count=f"{progress.done}/{progress.total}",
                times=clock.words(name, progress),
            )
            for line in failures.new(name, progress):
                say(line)

        try:
            with _telling(say):
                yield listen
        finally:
            display.update(preparing, visible=False)
            if tasks and (words := clock.whole()):
                done = display.add_task(words, total=1, count="", times="")
                # Only an update marks it as finished, without which the spinner stays.
                display.update(done, completed=1)


def _note(progress: Progress, *, zeros: bool = True) -> str:
    """What happened to the requests; without `zeros`, only what happened at all."""
    counts = (
        (progress.cached, "cached", zeros),
        (progress.failed, "failed", zeros),
        (progress.retries, "retries", zeros),
        # To fit the model's context.
        (progress.truncated, "prompts cut", False),
        (progress.shortened, "answers shortened", False),
    )
    return ", ".join(f"{count} {words}" for count, words, always in counts if count or always)


def _log_lines(clock: _Clock) -> Listener:
    last: dict[str, float] = {}
    failures = _Failures()

    def listen(name: str, progress: Progress) -> None:
        times = clock.words(name, progress)
        for line in failures.new(name, progress):
            _print(line)
        now = time.monotonic()
        finished = progress.done == progress.total
        if finished or now - last.get(name, -_LOG_SECONDS) >= _LOG_SECONDS:
            last[name] = now
            line = f"{name}: {progress.done}/{progress.total} done, {_note(progress)}"
            line += f", {times}" if times else ""
            _print(line)

    return listen
