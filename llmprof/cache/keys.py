"""Content addresses: the same question to the same model has the same key, on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from llmprof.requests import Request

SCHEMA_VERSION = 1


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no blanks; refuses NaN and infinities.

    >>> canonical_json({"b": 1, "a": (1, 2)})
    '{"a":[1,2],"b":1}'
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def request_key(identity: Mapping[str, Any], request: Request) -> str:
    """SHA-256, in hexadecimal, of {schema version, backend identity, request}.

    The identity holds everything that can change the answer and nothing else: no batch size,
    device, concurrency or run id.
    """
    content = {
        "schema": SCHEMA_VERSION,
        "backend": dict(identity),
        "kind": request.kind,
        "request": request.canonical(),
    }
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def request_seed(key: str) -> int:
    """The 63-bit seed of a sampled request, from its key: the same draw whatever the batch."""
    return int(key[:16], 16) >> 1
