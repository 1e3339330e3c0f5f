"""Handling of Ctrl-C and SIGTERM: the first stops cleanly, the second at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from llmprof.cli.messages import print_notice

INTERRUPTED = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN = "press again to stop at once"
_RESUME = "run the same command to resume"


def handle_interrupts(*, keeps: bool) -> None:
    """Let the first signal interrupt the work as Ctrl-C does, and the second end the process.

    A separate thread sees the second one through Python's wakeup file descriptor, to which its C
    code writes signal numbers: this works even while the main thread is in a long computation, or
    waits for one. Answers are written in transactions, so that nothing is lost; `keeps` says
    whether the command has any.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    threading.Thread(target=_watch, args=(reading, keeps), daemon=True).start()


def told(what: str, *, keeps: bool) -> str:
    """What a user is told of a command that ended early, with how to go on if it keeps answers.

    >>> told("interrupted", keeps=True), told("interrupted", keeps=False)
    ('interrupted; run the same command to resume', 'interrupted')
    """
    return f"{what}; {_RESUME}" if keeps else what


def leave_to_the_watcher() -> None:
    """Let another signal only end the process, while the main thread waits.

    A KeyboardInterrupt in Python's own wait for threads would show a traceback, or end the process
    before the watcher prints its message.
    """
    for number in _SIGNALS:
        signal.signal(number, lambda number, frame: None)


def _as_ctrl_c(number: int, frame: FrameType | None) -> None:
    """The present handler of Ctrl-C, which an event loop may have replaced."""
    handler = signal.getsignal(signal.SIGINT)
    if callable(handler):
        handler(number, frame)
    else:
        raise KeyboardInterrupt


def _watch(reading: int, keeps: bool) -> None:
    kept = "answers so far are kept; " if keeps else ""
    pressed = 0
    while True:
        pressed += sum(number in _SIGNALS for number in os.read(reading, 64))
        if pressed > 1:
            print_notice(told("stopped at once", keeps=keeps))
            os._exit(INTERRUPTED)
        if pressed:
            print_notice(f"stopping; {kept}{_AGAIN}")
