"""Response bodies of bounded size, decompressed as they arrive."""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Iterator

import httpx

from llmprof.backends.network.server import Server

# Accepted encodings. httpx itself decodes with all installed codecs, without a size limit.
ACCEPT_ENCODING = "gzip"
_GZIP_NAMES = ("gzip", "x-gzip")
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def bound_body(response: httpx.Response, server: Server, limit_bytes: int) -> None:
    """Replace the unread stream of `response` by one that ends in a fault above `limit_bytes`.

    The limit holds for the decompressed body; never more than that is in memory. The new stream
    raises a RequestFault for a body that is too large or cannot be decompressed.

    Raises:
        RequestFault: the headers announce a larger body, or an encoding that was not offered.
    """
    encoding = response.headers.pop("content-encoding", "identity").strip().lower()
    announced = response.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise server.too_large(limit_bytes)
    if encoding not in ("identity", *_GZIP_NAMES):
        raise server.invalid(f"a response in the encoding {encoding[:20]!r}")
    reader = _Reader(server, limit_bytes, compressed=encoding in _GZIP_NAMES)
    if isinstance(response.stream, httpx.AsyncByteStream):
        response.stream = _AsyncBody(response.stream, reader)
    else:
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _SyncBody(response.stream, reader)


class _Reader:
    """Decompresses the pieces of one body and counts its bytes."""

    def __init__(self, server: Server, limit_bytes: int, *, compressed: bool) -> None:
        self._server = server
        self._limit_bytes = limit_bytes
        self._left = limit_bytes
        self._gzip = zlib.decompressobj(_GZIP_WINDOW) if compressed else None

    def read(self, piece: bytes) -> bytes:
        if self._gzip is not None:
            try:
                # One byte more than allowed detects a body that is too large; 0 means no limit.
                piece = self._gzip.decompress(piece, self._left + 1)
            except zlib.error:
                raise self._server.invalid("a response that is not valid gzip") from None
        self._left -= len(piece)
        if self._left < 0:
            raise self._server.too_large(self._limit_bytes)
        return piece


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream, reader: _Reader) -> None:
        self._stream = stream
        self._reader = reader

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield self._reader.read(piece)

    async def aclose(self) -> None:
        await self._stream.aclose()


class _SyncBody(httpx.SyncByteStream):
    def __init__(self, stream: httpx.SyncByteStream, reader: _Reader) -> None:
        self._stream = stream
        self._reader = reader

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._stream:
            yield self._reader.read(piece)

    def close(self) -> None:
        self._stream.close()
