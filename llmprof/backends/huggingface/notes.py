"""What is slow to find out and never changes, remembered in small files of a cache folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
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
