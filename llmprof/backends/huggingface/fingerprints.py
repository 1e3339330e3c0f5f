"""SHA-256 of weight files, stored so that unchanged files are not read again."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from llmprof.cache.facts import remembered

# File systems tell times of change to two seconds at worst (FAT).
_CLOCK_RESOLUTION_NS = 2_000_000_000


def file_fingerprint(file: Path, memory: Path) -> str:
    """SHA-256 of one file, in hexadecimal.

    `memory` is a folder that holds one small file for each that was read before; path, inode, size
    and the times of last change must all be the same for the digest in it to be used. A file that
    has just changed is read each time: it may change again within the clock's resolution.
    """
    status = file.stat()
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _CLOCK_RESOLUTION_NS:
        return _digest(file)
    known_by = (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    seen = "\0".join([str(file.resolve()), *map(str, known_by)])
    return remembered(memory, seen, partial(_digest, file))


def folder_fingerprint(folder: Path, names: Iterable[str], memory: Path) -> str:
    """SHA-256 of the contents of files and of their names, which are relative to `folder`."""
    digest = hashlib.sha256()
    for name in sorted(names):
        digest.update(f"{name}\0{file_fingerprint(folder / name, memory)}\0".encode())
    return digest.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
