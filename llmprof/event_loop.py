"""Runs asynchronous work from ordinary functions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

ResultT = TypeVar("ResultT")


def run_to_end(work: Callable[[], Awaitable[ResultT]]) -> ResultT:
    """Run `work` in an event loop and wait for it, also inside a running loop."""
    import anyio
    from anyio.from_thread import start_blocking_portal

    if not _in_event_loop():
        return anyio.run(work)
    # A new thread has no event loop yet; Ctrl-C in this thread cancels the work there.
    with start_blocking_portal() as portal:
        return portal.call(work)


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
