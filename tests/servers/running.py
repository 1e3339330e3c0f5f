"""Runs a real HTTP server on loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


@contextmanager
def serve(app: web.Application) -> Iterator[str]:
    """Serve `app` and yield its address, such as `http://127.0.0.1:40123`."""
    started = threading.Event()
    address = ""
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()

    async def run() -> None:
        nonlocal address
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=4096)
        await site.start()
        host, port = runner.addresses[0][:2]
        address = f"http://{host}:{port}"
        started.set()
        await stopping.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), daemon=True)
    thread.start()
    assert started.wait(10), "the server did not start"
    try:
        yield address
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(10)
        assert not thread.is_alive(), "the server did not stop"
        loop.close()
