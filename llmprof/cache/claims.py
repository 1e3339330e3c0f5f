"""Claims on requests: processes that share a cache do not ask the same question at once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmprof.errors import CacheError

_DIGEST_BYTES = 32


class Claims:
    """Keys that processes are about to answer, in a file for each claim.

    Its process holds a lock beside it: when the lock is free, the process has ended or was killed,
    and its claim is void.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def claim(self, keys: Collection[str]) -> Iterator[set[str]]:
        """Claim those of `keys` (SHA-256, in hexadecimal) that are free, until the block ends.

        Raises:
            CacheError: the folder cannot be written.
        """
        from filelock import FileLock

        file = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.keys"
        lock = FileLock(file.with_suffix(".lock"))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "all"):
                free = set(keys) - self._claimed()
                lock.acquire()
                file.write_bytes(b"".join(map(bytes.fromhex, free)))
        except OSError as error:
            raise CacheError(
                f"cannot write to {self._folder}: {error.strerror}; check permissions and free "
                "space, or choose another folder with --cache-dir"
            ) from error
        try:
            yield free
        finally:
            _forget(file)
            lock.release()

    def _claimed(self) -> set[str]:
        from filelock import FileLock, Timeout

        claimed: set[str] = set()
        for file in self._folder.glob("*.keys"):
            try:
                with FileLock(file.with_suffix(".lock"), timeout=0):
                    _forget(file)
            except Timeout:
                claimed |= _digests(file)
        return claimed


def _forget(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.with_suffix(".lock").unlink(missing_ok=True)


def _digests(file: Path) -> set[str]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return set()
    starts = range(0, len(content), _DIGEST_BYTES)
    return {content[start : start + _DIGEST_BYTES].hex() for start in starts}
