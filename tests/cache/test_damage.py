"""A damaged entry is never given out: it counts as absent, and its new answer replaces it."""

import os
import pickle
import random
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import diskcache
import pytest

from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.cache import open_cache
from llmprof.errors import CacheError
from llmprof.requests import Generate, LogLikelihood, Response
from llmprof.responses import Completion, TokenLogProbs
from tests.test_engine import answer

REQUEST = LogLikelihood("a", "b")
RESPONSE = TokenLogProbs(-1.25, (-1.0, -0.25), True)
LONG = Generate("p")
# So long that older versions had diskcache write it to a file of its own.
LONG_RESPONSE = Completion(
    "".join(map(str, random.Random(0).choices(range(10**9), k=20_000))), 1, ""
)


def database(folder: Path) -> Path:
    return folder / "responses" / "cache.db"


def stored(folder: Path, value: bytes | None = None) -> bytes:
    """The one entry's bytes; with `value`, they are replaced by it."""
    with sqlite3.connect(database(folder)) as connection:
        if value is not None:
            connection.execute("UPDATE Cache SET value = ?", (value,))
        return bytes(connection.execute("SELECT value FROM Cache").fetchone()[0])


def found(folder: Path) -> Response | None:
    with open_cache(folder) as cache:
        return cache.get_many(["key"], [REQUEST])[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_cache(tmp_path) as cache:
        cache.put_many("model", [("key", REQUEST, RESPONSE)])
    return tmp_path


def test_every_flipped_bit_is_found(folder: Path) -> None:
    whole = stored(folder)
    with open_cache(folder) as cache, sqlite3.connect(database(folder)) as connection:
        for bit in range(8 * len(whole)):
            damaged = bytearray(whole)
            damaged[bit // 8] ^= 1 << bit % 8
            connection.execute("UPDATE Cache SET value = ?", (bytes(damaged),))
            connection.commit()
            assert cache.get_many(["key"], [REQUEST]) == [None], bit


@pytest.mark.slow
def test_every_truncation_is_found(folder: Path) -> None:
    whole = stored(folder)
    for length in range(len(whole)):
        stored(folder, whole[:length])
        assert found(folder) is None, length


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"x", b"\x01\0\0\0\0", pickle.dumps({"a": 1}), b"\xff" * 100]
)
def test_what_is_no_entry_is_absent_everywhere(folder: Path, value: bytes) -> None:
    stored(folder, value)
    assert found(folder) is None
    with open_cache(folder) as cache:
        assert cache.prune(model="model") == 1
        assert cache.info().entries == 0


def test_pickle_is_never_loaded(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "executed"

    class Malicious:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return Path.touch, (trace,)

    stored(folder, pickle.dumps(Malicious()))
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("UPDATE Cache SET mode = 4, raw = 0")
    assert found(folder) is None
    with open_cache(folder) as cache:
        cache.info()
        cache.prune(model="model")
    assert not trace.exists()


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_truncated_or_missing_file_of_a_long_answer_is_found(
    tmp_path: Path, keep: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older, open_cache(tmp_path) as cache:
        older.setattr("llmprof.cache.storage._NO_FILES", 2**15)
        cache.put_many("model", [("key", LONG, LONG_RESPONSE)])
    with open_cache(tmp_path) as cache:
        assert cache.get_many(["key"], [LONG]) == [LONG_RESPONSE]
    (file,) = tmp_path.rglob("*.val")
    file.write_bytes(file.read_bytes()[:keep])
    with open_cache(tmp_path) as cache:
        assert cache.get_many(["key"], [LONG]) == [None]
        file.unlink()
        assert cache.get_many(["key"], [LONG]) == [None]


def test_entries_without_checksum_are_still_read(tmp_path: Path) -> None:
    with diskcache.Cache(str(tmp_path / "responses"), disk=diskcache.JSONDisk) as old:
        old.set(
            "key",
            {
                "kind": "log_likelihood",
                "model": "model",
                "stored": 1.0,
                "response": {"total": -1.25, "per_token": [-1.0, -0.25], "is_greedy": True},
            },
        )
    assert found(tmp_path) == RESPONSE
    with open_cache(tmp_path) as cache:
        assert cache.info().entries == 1


def test_damaged_answer_is_asked_again_and_replaced(tmp_path: Path) -> None:
    answer(tmp_path, ScriptedBackend(), [REQUEST])
    whole = stored(tmp_path)
    stored(tmp_path, whole[:-1] + bytes([whole[-1] ^ 1]))
    backend = ScriptedBackend()
    (again,), _ = answer(tmp_path, backend, [REQUEST])
    assert backend.asked == [REQUEST]
    assert again.outcome == default_script(REQUEST)
    untouched = ScriptedBackend()
    answer(tmp_path, untouched, [REQUEST])
    assert untouched.asked == []


def test_damaged_database_of_the_cache_is_one_clear_error_and_left_alone(folder: Path) -> None:
    database(folder).write_bytes(b"no database" * 1000)
    before = database(folder).read_bytes()
    with pytest.raises(CacheError, match="remove the folder"):
        found(folder)
    assert database(folder).read_bytes() == before


def test_a_long_answer_has_no_file_of_its_own(tmp_path: Path) -> None:
    with open_cache(tmp_path) as cache:
        cache.put_many("model", [("key", LONG, LONG_RESPONSE)])
        assert cache.get_many(["key"], [LONG]) == [LONG_RESPONSE]
    assert not list(tmp_path.rglob("*.val"))


@pytest.mark.parametrize("swap", ["keys", "values"])
def test_an_entry_under_another_key_is_found(tmp_path: Path, swap: str) -> None:
    """A flipped bit in a key, or two exchanged rows, must not answer another question."""
    other = TokenLogProbs(-7.0, (-7.0,), False)
    with open_cache(tmp_path) as cache:
        cache.put_many("model", [("key", REQUEST, RESPONSE), ("kez", REQUEST, other)])
    with sqlite3.connect(database(tmp_path)) as connection:
        if swap == "keys":
            connection.execute("UPDATE Cache SET key = x'00' WHERE rowid = 1")
            connection.execute(
                "UPDATE Cache SET key = (?) WHERE rowid = 2",
                (zlib.compress(b'"key"', 1),),
            )
        else:
            connection.execute(
                "UPDATE Cache SET value = (SELECT value FROM Cache WHERE rowid = 2) WHERE rowid = 1"
            )
    assert found(tmp_path) is None


@pytest.mark.parametrize("kind", ["absolute", "above", "link"])
@pytest.mark.parametrize("action", ["get", "set", "prune", "clear"])
def test_a_file_that_a_foreign_row_names_is_neither_read_nor_removed(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, kind: str, action: str
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    name = "0" * 28 + ".val"
    precious = outside / "bb" / name
    precious.parent.mkdir()
    precious.write_bytes(stored(folder))
    (folder / "responses" / "aa").symlink_to(outside)
    named = {
        "absolute": str(precious),
        "above": os.path.relpath(precious, folder / "responses"),
        "link": f"aa/bb/{name}",
    }[kind]
    with sqlite3.connect(database(folder)) as connection:
        connection.execute("UPDATE Cache SET filename = ?, value = NULL, mode = 2", (named,))
    with open_cache(folder) as cache:
        if action == "get":
            assert cache.get_many(["key"], [REQUEST]) == [None]
        elif action == "set":
            cache.put_many("model", [("key", REQUEST, RESPONSE)])
            assert cache.get_many(["key"], [REQUEST]) == [RESPONSE]
        elif action == "prune":
            assert cache.prune(model="model") == 1
        else:
            assert cache.clear() == 1
    assert precious.exists()
