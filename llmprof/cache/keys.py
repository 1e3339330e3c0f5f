"""Cache keys: the same request to the same model has the same key on any machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmprof.requests import Request

SCHEMA_VERSION = 1
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; refuses NaN and infinities.

    >>> canonical_json({"b": 1, "a": (1, 2)})
    '{"a":[1,2],"b":1}'
    """
    return _CANONICAL.encode(value)


def request_keys(identity: Mapping[str, Any], requests: Iterable[Request]) -> Iterator[str]:
    """Per request, the SHA-256 (hexadecimal) of {schema version, backend identity, request}.

    The identity contains everything that can change the answer and nothing else: no batch size,
    device, concurrency or run id.
    """
    # The canonical JSON is hashed in parts, since most of it is the same for all requests.
    backend = hashlib.sha256(f'{{"backend":{canonical_json(dict(identity))}'.encode())
    for request in requests:
        digest = backend.copy()
        asked = canonical_json(request.canonical())
        digest.update(
            f',"kind":"{request.kind}","request":{asked},"schema":{SCHEMA_VERSION}}}'.encode()
        )
        yield digest.hexdigest()


def request_key(identity: Mapping[str, Any], request: Request) -> str:
    """`request_keys` for one request."""
    return next(request_keys(identity, [request]))


def request_seed(key: str) -> int:
    """The 63-bit seed of a sampled request, from its key: independent of the batch."""
    return int(key[:16], 16) >> 1
