"""An engine for code that is not async: its event loop runs in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal

from llmprof.backends import Backend
from llmprof.cache import open_cache
from llmprof.engine import Engine, ProgressListener
from llmprof.requests import Answer, Request


class Session:
    """Answers requests while the calling thread waits, where Ctrl-C reaches it."""

    def __init__(self, engine: Engine, backend: Backend, portal: BlockingPortal) -> None:
        self._engine = engine
        self._backend = backend
        self._portal = portal
        self._busy = portal.call(anyio.Lock)

    def answer(self, requests: Sequence[Request], listener: ProgressListener) -> list[Answer]:
        """`Engine.answer`; `listener` is called in the event loop's thread."""
        future = self._portal.start_task_soon(self._answer, requests, listener)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Free the backend, once a request that was cancelled has let go of it."""
        self._portal.call(self._close)

    async def _answer(
        self, requests: Sequence[Request], listener: ProgressListener
    ) -> list[Answer]:
        async with self._busy:
            return await self._engine.answer(requests, listener)

    async def _close(self) -> None:
        async with self._busy:
            await self._backend.aclose()


@contextmanager
def open_session(backend: Backend, cache_dir: Path) -> Iterator[Session]:
    """A session over the cache in `cache_dir`; closes the backend at the end."""
    with open_cache(cache_dir) as cache, start_blocking_portal() as portal:
        session = Session(Engine(cache, [backend]), backend, portal)
        try:
            yield session
        finally:
            session.close()
