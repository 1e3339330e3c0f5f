"""SHA-256 of model files, remembered so that a large model is read once and not at every start."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

_DIGEST_CHARACTERS = 64


def file_fingerprint(file: Path, memory: Path) -> str:
    """SHA-256 of one file, in hexadecimal.

    `memory` is a folder that holds one small file for each that was read before; path, size and
    time of last change must all be the same for the digest in it to be used.
    """
    status = file.stat()
    seen = f"{file.resolve()}\0{status.st_size}\0{status.st_mtime_ns}"
    note = memory / hashlib.sha256(seen.encode()).hexdigest()
    # A note that cannot be read, or was torn when the machine went down, is as good as none.
    with contextlib.suppress(OSError, ValueError):
        known = note.read_text()
        if len(known) == _DIGEST_CHARACTERS:
            return known
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    # A folder that cannot be written costs time at the next start, and nothing else.
    with contextlib.suppress(OSError):
        memory.mkdir(parents=True, exist_ok=True)
        partial = note.with_name(f"{note.name}.{os.getpid()}.partial")
        partial.write_text(digest)
        partial.replace(note)
    return digest


def folder_fingerprint(files: Sequence[Path], memory: Path) -> str:
    """SHA-256 of the names and contents of `files`, whatever folder they are in."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.name):
        digest.update(f"{file.name}\0{file_fingerprint(file, memory)}\0".encode())
    return digest.hexdigest()
