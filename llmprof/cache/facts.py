"""Small facts that are slow to find out, remembered as JSON in files of the cache folder.

No answer and no number depends on a fact: where a file cannot be read, its facts are found anew,
and where it cannot be written, that only costs time at the next start.
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


def remembered(folder: Path, key: str, find: Callable[[], FactT]) -> FactT:
    """What `find` returned when it was first called for `key`; it must survive JSON.

    Each fact has a file of its own in `folder`. `key` has to name all that the fact depends on: it
    is never refreshed.
    """
    file = folder / hashlib.sha256(key.encode()).hexdigest()
    with suppress(OSError, ValueError):
        known: FactT = json.loads(file.read_text(encoding="utf-8"))
        return known
    found = find()
    _write(file, json.dumps(found))
    return found


def recall(file: Path, key: str) -> Any:
    """What was last remembered for `key` in a file of several facts; None when nothing was."""
    return _table(file).get(key)


def remember(file: Path, key: str, fact: Any) -> None:
    """Keep a JSON value for `key`, in place of the one before."""
    _write(file, json.dumps({**_table(file), key: fact}, indent=1, sort_keys=True))


def _table(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text(encoding="utf-8"))
        return known if isinstance(known, dict) else {}
    return {}


def _write(file: Path, content: str) -> None:
    with suppress(OSError, OutputError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_output(file, content)
