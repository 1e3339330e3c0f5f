"""The SQLite store of results."""

from llmprof.results.store import (
    COMPLETE,
    FAILED,
    INTERRUPTED,
    ProfileResult,
    RunStart,
    Store,
    Work,
)

__all__ = [
    "COMPLETE",
    "FAILED",
    "INTERRUPTED",
    "ProfileResult",
    "RunStart",
    "Store",
    "Work",
]
