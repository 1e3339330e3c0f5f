"""What goes wrong behind a network, injected in front of a stand-in's own answers.

Which fault a request meets depends on a seed, on the request's body and on how often that body has
come, so that it is the same whatever the order in which requests arrive.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections import Counter
from email.utils import formatdate
from time import time

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

FAULTS = (
    "429",
    "429 with Retry-After",
    "429 with a date",
    "500",
    "503",
    "reset",
    "stalled",
    "invalid JSON",
    "cut in half",
    "slow start",
)
_SLOW_SECONDS = 0.3
_STALLED_SECONDS = 3600.0


def inject_faults(rate: float = 0.05, *, seed: int = 0, kinds: tuple[str, ...] = FAULTS) -> Faults:
    """Faults of each of `kinds`, each met by a share `rate` of the attempts."""
    return Faults(rate, seed, kinds)


class Faults:
    """A middleware for aiohttp; `met` counts the faults by kind."""

    def __init__(self, rate: float, seed: int, kinds: tuple[str, ...]) -> None:
        self.met: Counter[str] = Counter()
        self._rate = rate
        self._seed = seed
        self._kinds = kinds
        self._attempts: Counter[bytes] = Counter()

    @property
    def middleware(self) -> Middleware:
        @web.middleware
        async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
            kind = self._draw(await request.read())
            if kind is None:
                return await handler(request)
            self.met[kind] += 1
            if kind == "slow start":
                await asyncio.sleep(_SLOW_SECONDS)
                return await handler(request)
            return await _fail(kind, request)

        return meet

    def _draw(self, body: bytes) -> str | None:
        self._attempts[body] += 1
        text = b"%d %d " % (self._seed, self._attempts[body])
        unit = int.from_bytes(hashlib.sha256(text + body).digest()[:8], "big") / 2**64
        place = int(unit / self._rate) if self._rate else len(self._kinds)
        return self._kinds[place] if place < len(self._kinds) else None


async def _fail(kind: str, request: web.Request) -> web.StreamResponse:
    if kind == "reset":
        return _reset(request)
    if kind == "stalled":
        await asyncio.sleep(_STALLED_SECONDS)
    if kind == "cut in half":
        return await _cut(request)
    if kind == "invalid JSON":
        return web.Response(text='{"half": [1, 2', content_type="application/json")
    headers = {}
    if kind == "429 with Retry-After":
        headers["Retry-After"] = "1"
    if kind == "429 with a date":
        headers["Retry-After"] = formatdate(time() + 1, usegmt=True)
    return web.json_response({"error": {"message": kind}}, status=int(kind[:3]), headers=headers)


def _reset(request: web.Request) -> web.Response:
    """Close the connection with RST: what was sent is thrown away."""
    assert request.transport is not None
    connection = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()
    return web.Response()


async def _cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = 200
    await response.prepare(request)
    await response.write(b'{"attributeScores": {"TOXICITY": {"summaryScore": {"val')
    assert request.transport is not None
    request.transport.close()
    return response
