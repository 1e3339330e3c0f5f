"""How one entry of the cache is written: JSON, compressed, under a checksum; never a pickle."""

from __future__ import annotations

import json
import zlib
from typing import Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

# A zlib stream, which is what entries without a checksum are, begins with 0x78.
_MARK = b"\x01"
_CHECKSUM_BYTES = 4


class DamagedEntryError(Exception):
    """What is stored is not what was written."""


class CheckedJsonDisk(diskcache.JSONDisk):  # type: ignore[misc]
    """Puts a CRC-32 before each entry, which finds any flipped bit and any burst of up to 32.

    zlib's own Adler-32 does not: of short texts it misses a few flipped bits in 100,000. Entries
    that were written without the CRC are still read. diskcache would unpickle what a cache of
    someone else's marks as a pickle, and so run any code; here that is a damaged entry.
    """

    def get(self, key: Any, raw: bool) -> Any:
        """The key as it was given; empty, which no key is, for one that was damaged."""
        try:
            return super().get(key, raw) if raw else ""
        except (zlib.error, ValueError, TypeError):
            return ""

    def store(self, value: Any, read: bool, key: Any = UNKNOWN) -> Any:
        content = zlib.compress(json.dumps(value).encode(), self.compress_level)
        return diskcache.Disk.store(self, _MARK + _checksum(content) + content, read, key=key)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        """The value that was stored.

        Raises:
            DamagedEntryError: it is not whole.
            OSError: its file cannot be read.
        """
        if mode not in (MODE_RAW, MODE_BINARY):
            raise DamagedEntryError
        stored = diskcache.Disk.fetch(self, mode, filename, value, read)
        try:
            return json.loads(zlib.decompress(_content(stored)))
        except (zlib.error, ValueError, TypeError, RecursionError) as error:
            raise DamagedEntryError from error


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "big")


def _content(stored: bytes) -> bytes:
    if stored[:1] != _MARK:
        return stored
    start = len(_MARK) + _CHECKSUM_BYTES
    content = stored[start:]
    if _checksum(content) != stored[len(_MARK) : start]:
        raise DamagedEntryError
    return content
