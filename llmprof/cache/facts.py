"""Small facts that are slow to determine, stored as JSON files in the cache folder.

No answer and no number depends on them: if a file cannot be read, its facts are determined again,
and if it cannot be written, the next start takes longer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from llmprof.errors import OutputError
from llmprof.outputs import write_output

FactT = TypeVar("FactT")


def remembered(
    folder: Path, key: str, find: Callable[[], FactT], *, most: int | None = None
) -> FactT:
    """The result of the first call of `find` for `key`; it must be a JSON value.

    Each fact has its own file in `folder`. `key` must contain everything that the fact depends on:
    it is never updated. With `most`, only so many facts stay in the folder, those found last.
    """
    file = folder / hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError, ValueError, RecursionError):
        known: FactT = json.loads(file.read_text(encoding="utf-8"))
        return known
    found = find()
    _write(file, json.dumps(found))
    if most is not None:
        _keep_latest(folder, most)
    return found


def recall(file: Path, key: str) -> Any:
    """The value last stored for `key` in a file of several facts; None if there is none."""
    return _table(file).get(key)


def remember(file: Path, key: str, fact: Any) -> None:
    """Store a JSON value for `key`, replacing the previous one."""
    _write(file, json.dumps({**_table(file), key: fact}, indent=1, sort_keys=True))


def _table(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        known = json.loads(file.read_text(encoding="utf-8"))
        return known if isinstance(known, dict) else {}
    return {}


def _keep_latest(folder: Path, most: int) -> None:
    # Another process may remove the same file.
    with suppress(OSError):
        files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        for file in files[most:]:
            file.unlink(missing_ok=True)


def _write(file: Path, content: str) -> None:
    with suppress(OSError, OutputError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_output(file, content)
