"""Claims on requests, with which processes that share a cache divide them without overlap."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmprof.errors import CacheError

_DIGEST_BYTES = 32
# Fewer requests than this are not divided: batches would not be full.
LEAST_CLAIM = 32


class Claims:
    """Keys that processes are about to answer, with a file for each claim.

    The process holds a lock file next to it: if the lock is free, the process has ended or was
    killed, and its claim is void.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def claim(self, keys: Collection[str], *, first: bool = False) -> Iterator[set[str]]:
        """Claim some of the free `keys` (SHA-256, in hexadecimal) until the block ends.

        Their number depends on the other processes that want the same (`share`); they are taken in
        the order of `keys`. The set is empty if none is free. `first` is true for the first claim
        on `keys`.

        Raises:
            CacheError: the folder cannot be written.
        """
        from filelock import FileLock

        file = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.keys"
        lock = FileLock(file.with_suffix(".lock"))
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self._folder / "all"):
                claimed = [digests for digests in self._claimed() if not digests.isdisjoint(keys)]
                free = [key for key in keys if not any(key in digests for digests in claimed)]
                mine = free[: share(len(free), len(claimed), first=first)]
                lock.acquire()
                file.write_bytes(b"".join(map(bytes.fromhex, mine)))
        except OSError as error:
            raise CacheError(
                f"cannot write to {self._folder}: {error.strerror}; check permissions and free "
                "space, or choose another folder with --cache-dir"
            ) from error
        try:
            yield set(mine)
        finally:
            _forget(file)
            lock.release()

    def _claimed(self) -> list[set[str]]:
        """The keys of each claim that is held by a living process."""
        from filelock import FileLock, Timeout

        claimed: list[set[str]] = []
        for file in self._folder.glob("*.keys"):
            try:
                with FileLock(file.with_suffix(".lock"), timeout=0):
                    _forget(file)
            except Timeout:
                claimed.append(_digests(file))
        return claimed


def share(free: int, others: int, *, first: bool) -> int:
    """How many of the free requests a process claims if `others` have claims on the same list.

    A single process takes half at first, so that a second one that starts soon after finds work,
    and then the rest. With others it takes half of its equal share, so that all finish at about the
    same time.

    >>> share(1000, 0, first=True), share(500, 0, first=False), share(1000, 3, first=True)
    (500, 500, 125)
    """
    parts = 2 * (others + 1) if others or first else 1
    return min(free, max(math.ceil(free / parts), LEAST_CLAIM))


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
