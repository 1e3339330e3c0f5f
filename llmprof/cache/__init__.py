"""The content-addressed cache of responses: keys and storage."""

from llmprof.cache.keys import canonical_json, request_key, request_seed
from llmprof.cache.storage import CacheInfo, ResponseCache, open_cache

__all__ = [
    "CacheInfo",
    "ResponseCache",
    "canonical_json",
    "open_cache",
    "request_key",
    "request_seed",
]
