"""The SQLite store of results."""

from llmprof.results.store import ProfileResult, RunStart, Store, Work

__all__ = ["ProfileResult", "RunStart", "Store", "Work"]
