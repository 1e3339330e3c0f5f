"""The SQLite store of results."""

from llmprof.results.entries import ProfileResult, RunStart, Work
from llmprof.results.store import COMPLETE, FAILED, INTERRUPTED, Store

__all__ = [
    "COMPLETE",
    "FAILED",
    "INTERRUPTED",
    "ProfileResult",
    "RunStart",
    "Store",
    "Work",
]
