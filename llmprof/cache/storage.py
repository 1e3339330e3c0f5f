"""Storage of responses on disk, one entry per response, shared by processes and subcommands."""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.cache.claims import Claims
from llmprof.errors import CacheError
from llmprof.requests import Request, Response
from llmprof.responses import Completion, ToxicityScores

if TYPE_CHECKING:
    import diskcache

_LOCK_TIMEOUT_SECONDS = 60.0
_SYNCHRONOUS_FULL = 2
# Values stay in the database, which is synced at each commit; separate files would not be.
_NO_FILES = 2**40
# Before version 2, a prompt was cut so that the longest answer fitted, to one token in the worst
# case; now the prompt is kept and the answer is shortened.
_ENTRY_VERSION = 2


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Size of a cache; `oldest` and `newest` are Unix times in seconds, None when it is empty."""

    directory: Path
    entries: int
    size_bytes: int
    oldest: float | None
    newest: float | None
    by_model: Mapping[str, int]


class ResponseCache:
    """Responses by content address, stored until the user clears or prunes them.

    `claims` says which requests are being sent at the moment.

    Raises:
        CacheError: the folder cannot be created, read or written, or the disk is full.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.claims = Claims(directory / "claims")
        self._open: diskcache.Cache | None = None

    @property
    def _cache(self) -> diskcache.Cache:
        if self._open is None:
            import diskcache

            from llmprof.cache.disk import CheckedJsonDisk

            self.directory.mkdir(parents=True, exist_ok=True)
            self._open = diskcache.Cache(
                str(self.directory),
                timeout=_LOCK_TIMEOUT_SECONDS,
                disk=CheckedJsonDisk,
                eviction_policy="none",
                size_limit=2**62,
                cull_limit=0,
                statistics=0,
                disk_min_file_size=_NO_FILES,
                sqlite_synchronous=_SYNCHRONOUS_FULL,
                # Mapped pages of the file would count as memory of the process, and are no faster.
                sqlite_mmap_size=0,
            )
        return self._open

    @contextmanager
    def _guard(self, doing: str) -> Iterator[None]:
        import diskcache

        try:
            yield
        except (OSError, sqlite3.Error, diskcache.Timeout) as error:
            raise CacheError(
                f"cannot {doing} the cache in {self.directory}: {error or 'it is locked'}; "
                f"{_advice(str(error))}, or choose another with --cache-dir"
            ) from error

    def _get(self, key: str) -> dict[str, Any] | None:
        """The entry; None if there is none, or if it is damaged or belongs to another key.

        A new answer replaces a damaged entry. Entries of older versions do not contain their key.
        """
        from llmprof.cache.disk import DamagedEntryError

        try:
            entry = self._cache.get(key)
        except DamagedEntryError:
            return None
        if not isinstance(entry, dict) or entry.get("key", key) != key:
            return None
        return entry

    def get_many(self, keys: Sequence[str], requests: Sequence[Request]) -> list[Response | None]:
        """The stored response of each key, or None; `requests` gives the type of each."""
        found: list[Response | None] = []
        with self._guard("read"):
            for key, request in zip(keys, requests, strict=True):
                entry = self._get(key)
                found.append(None if entry is None else _decode(entry, request))
        return found

    def put_many(self, model: str, answered: Sequence[tuple[str, Request, Response]]) -> None:
        """Store responses, each with its key and request.

        When this returns they are synced to disk and survive a power cut.
        """
        now = time.time()
        with self._guard("write"), self._cache.transact():
            for key, request, response in answered:
                entry = {
                    "key": key,
                    "version": _ENTRY_VERSION,
                    "kind": request.kind,
                    "model": model,
                    "stored": now,
                    "response": dataclasses.asdict(response),
                }
                self._cache.set(key, entry, tag=model)

    def _index(self) -> Iterator[tuple[str, str, float]]:
        """Key, model and Unix time of each entry, including damaged ones; reads no responses.

        Entries of older versions store their model in their content: only for these it is read, and
        damaged ones are left out.
        """
        columns = "SELECT key, raw, tag, store_time FROM Cache ORDER BY rowid"
        file = self._cache.directory + "/cache.db"
        with closing(sqlite3.connect(file, timeout=_LOCK_TIMEOUT_SECONDS)) as database:
            for stored_key, raw, model, stored in database.execute(columns):
                key = self._cache.disk.get(stored_key, raw)
                if model is None:
                    entry = self._get(key)
                    model = None if entry is None else entry.get("model")
                if isinstance(model, str):
                    yield key, model, stored

    def info(self) -> CacheInfo:
        """Count the stored entries."""
        by_model: Counter[str] = Counter()
        times: list[float] = []
        with self._guard("read"):
            for _, model, stored in self._index():
                by_model[model] += 1
                times.append(stored)
            size = self._cache.volume()
        return CacheInfo(
            directory=self.directory,
            entries=len(times),
            size_bytes=size,
            oldest=min(times, default=None),
            newest=max(times, default=None),
            by_model=dict(sorted(by_model.items())),
        )

    def clear(self) -> int:
        """Remove everything; returns how many entries there were."""
        with self._guard("clear"):
            return int(self._cache.clear())

    def prune(self, *, older_than_seconds: float | None = None, model: str | None = None) -> int:
        """Remove the entries that meet every condition given; returns how many."""
        limit = None if older_than_seconds is None else time.time() - older_than_seconds
        with self._guard("prune"):
            doomed = [
                key
                for key, model_of_entry, stored in self._index()
                if (limit is None or stored < limit) and (model is None or model_of_entry == model)
            ]
            for key in doomed:
                self._cache.delete(key)
        return len(doomed)

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


@contextmanager
def open_cache(cache_dir: Path) -> Iterator[ResponseCache]:
    """The cache of responses in llmprof's cache folder, closed at the end."""
    cache = ResponseCache(cache_dir / "responses")
    try:
        yield cache
    finally:
        cache.close()


def _advice(error: str) -> str:
    if "malformed" in error or "not a database" in error:
        return "it is damaged: remove the folder, and missing responses are requested again"
    return "check the folder's permissions and free space"


def _decode(entry: dict[str, Any], request: Request) -> Response | None:
    """The stored response; None for an incomplete entry.

    Also None for a completion whose prompt was cut by an earlier version: it is requested again.
    """
    try:
        response = request.response.from_json(entry["response"])
        earlier = entry.get("version", 1) < _ENTRY_VERSION
        if isinstance(response, Completion) and response.truncated_tokens and earlier:
            return None
        if isinstance(response, ToxicityScores) and response.given is None:
            day = datetime.fromtimestamp(entry["stored"], UTC).date()
            return dataclasses.replace(response, given=day.isoformat())
    except (KeyError, TypeError):
        return None
    return response
