"""The on-disk form of a cache entry: compressed JSON with a checksum, never a pickle."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

# A zlib stream, which is what entries without a checksum are, begins with 0x78.
_MARK = b"\x01"
_CHECKSUM_BYTES = 4
# The names that diskcache gives to the files of long values.
_FILE_NAME = re.compile(r"[0-9a-f]{2}[/\\][0-9a-f]{2}[/\\][0-9a-f]{28}\.val")


class DamagedEntryError(Exception):
    """A stored value differs from what was written."""


class CheckedJsonDisk(diskcache.JSONDisk):  # type: ignore[misc]
    """Stores values as JSON with a CRC-32, and validates everything it reads.

    The CRC-32 detects any flipped bit and any burst of up to 32 bits. zlib's own Adler-32 does not:
    in short texts it misses a few flipped bits in 100,000. Entries without a CRC, from older
    versions, are still read. A cache from someone else may refer to pickles, which run code when
    they are read, or to files outside its folder: both count as damaged, and such files are never
    opened or removed.
    """

    def get(self, key: Any, raw: bool) -> Any:
        """The original key; empty, which is never a valid key, if it was damaged."""
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
            DamagedEntryError: it is incomplete.
            OSError: its file cannot be read.
        """
        if mode not in (MODE_RAW, MODE_BINARY) or not self._is_own_file(filename):
            raise DamagedEntryError
        stored = diskcache.Disk.fetch(self, mode, filename, value, read)
        try:
            return json.loads(zlib.decompress(_content(stored)))
        except (zlib.error, ValueError, TypeError, RecursionError) as error:
            raise DamagedEntryError from error

    def remove(self, file_path: str) -> None:
        """Remove the file of a value; does nothing for a file that this cache did not write."""
        if self._is_own_file(file_path):
            super().remove(file_path)

    def _is_own_file(self, name: str | None) -> bool:
        """Whether the value has no file, or one that this cache may have written."""
        if name is None:
            return True
        if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
            return False
        folder = Path(self._directory).resolve()
        return (folder / name).resolve() == folder / name


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
