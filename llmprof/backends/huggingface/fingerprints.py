"""SHA-256 of weight files, remembered so that a file that did not change is not read again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from llmprof.cache.facts import remembered


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
