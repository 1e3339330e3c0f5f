"""Remembers slow results (fingerprints, facts of a model) in small files of the cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

FoundT = TypeVar("FoundT")


def remembered(folder: Path, key: str, find: Callable[[], FoundT]) -> FoundT:
    """What `find` returned when it was first called for `key`; it must survive JSON.

    `key` has to name all that the answer depends on: a note is never refreshed.
    """
    note = folder / hashlib.sha256(key.encode()).hexdigest()
    # A note that cannot be read, or was torn when the machine went down, is as good as none.
    with contextlib.suppress(OSError, ValueError):
        known: FoundT = json.loads(note.read_text(encoding="utf-8"))
        return known
    found = find()
    # A folder that cannot be written costs time at the next start, and nothing else.
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        partial = note.with_name(f"{note.name}.{os.getpid()}.partial")
        partial.write_text(json.dumps(found), encoding="utf-8")
        partial.replace(note)
    return found


def file_fingerprint(file: Path, memory: Path) -> str:
    """SHA-256 of one file, in hexadecimal.

    `memory` is a folder that holds one small file for each that was read before; path, size and
    time of last change must all be the same for the digest in it to be used.
    """
    status = file.stat()
    seen = f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    return remembered(memory, seen, partial(_digest, file))


def folder_fingerprint(files: Sequence[Path], memory: Path) -> str:
    """SHA-256 of the names and contents of `files`, whatever folder they are in."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name}\0{file_fingerprint(file, memory)}\0".encode())
    return digest.hexdigest()


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
