"""How long an answer took when a model was last asked on this machine: a dry run's estimate."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path

from llmprof.backends import Backend, Paced
from llmprof.cache import canonical_json
from llmprof.errors import CacheError

_FILE = "seconds_per_answer.json"


def seconds_per_answer(
    cache_dir: Path, backend: Backend, kind: str, max_new_tokens: int
) -> float | None:
    """At the rate that the backend is bound to, else as it was last; None when neither is known.

    `kind` is that of the request; `max_new_tokens` bounds the completions that it makes, or is
    about.
    """
    rate = backend.requests_per_second if isinstance(backend, Paced) else None
    if rate is not None:
        return 1 / rate
    known = _read(cache_dir / _FILE).get(_key(backend, kind, max_new_tokens))
    return known if isinstance(known, float) else None


def remember_speed(
    cache_dir: Path, backend: Backend, kind: str, max_new_tokens: int, seconds: float
) -> None:
    """Keep how long an answer took, for later estimates.

    Raises:
        CacheError: the cache folder cannot be written to.
    """
    file = cache_dir / _FILE
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    known = {**_read(file), _key(backend, kind, max_new_tokens): seconds}
    try:
        partial.write_text(json.dumps(known, indent=1, sort_keys=True))
        partial.replace(file)
    except OSError as error:
        raise CacheError(f"cannot write {file}: {error.strerror}; check --cache-dir") from error


def _read(file: Path) -> dict[str, object]:
    try:
        known = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _key(backend: Backend, kind: str, max_new_tokens: int) -> str:
    content = {
        "backend": dict(backend.identity),
        "kind": kind,
        "max_new_tokens": max_new_tokens,
    }
    return sha256(canonical_json(content).encode()).hexdigest()
