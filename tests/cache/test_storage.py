"""What is stored comes back, survives, and is removed only when asked."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import diskcache
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.cache import ResponseCache, open_cache
from llmprof.errors import CacheError
from llmprof.requests import Embed, Generate, LogLikelihood, Request, Response, Toxicity
from llmprof.responses import Completion, Embedding, TokenLogProbs, ToxicityScores

PAIRS: list[tuple[Request, Response]] = [
    (Generate("p"), Completion("text \x00 \u202e 🙂", 3, "stop")),
    (LogLikelihood("a", "b"), TokenLogProbs(-1.25, (-1.0, -0.25), True)),
    (Embed("t"), Embedding((0.1, -2.5))),
    (Toxicity("t", ("INSULT",)), ToxicityScores({"INSULT": 0.5})),
]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[ResponseCache]:
    with open_cache(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(("request_", "response"), PAIRS)
def test_response_comes_back(cache: ResponseCache, request_: Request, response: Response) -> None:
    cache.put_many("model", [("key", request_, response)])
    assert cache.get_many(["key", "other"], [request_, request_]) == [response, None]


@settings(max_examples=25)
@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False, max_value=0.0), max_size=20)
)
def test_log_probabilities_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    request, response = LogLikelihood("a", "b"), TokenLogProbs(sum(values), tuple(values), False)
    with open_cache(tmp_path_factory.mktemp("cache")) as cache:
        cache.put_many("model", [("key", request, response)])
        assert cache.get_many(["key"], [request]) == [response]


def test_another_process_sees_what_was_stored(cache: ResponseCache, tmp_path: Path) -> None:
    request, response = PAIRS[0]
    cache.put_many("model", [("key", request, response)])
    with open_cache(tmp_path) as second:
        assert second.get_many(["key"], [request]) == [response]


def test_entry_of_another_shape_counts_as_absent(cache: ResponseCache) -> None:
    cache.put_many("model", [("key", *PAIRS[0])])
    assert cache.get_many(["key"], [LogLikelihood("a", "b")]) == [None]


def test_nothing_is_evicted(cache: ResponseCache) -> None:
    settings = cache._cache
    assert settings.eviction_policy == "none"
    assert settings.size_limit >= 2**60
    assert isinstance(settings.disk, diskcache.JSONDisk)


def test_info_counts_by_model(cache: ResponseCache) -> None:
    for place in range(3):
        cache.put_many("a" if place else "b", [(f"key{place}", *PAIRS[0])])
    info = cache.info()
    assert (info.entries, info.by_model) == (3, {"a": 2, "b": 1})
    assert info.oldest is not None and info.newest is not None and info.oldest <= info.newest


def test_prune_by_model_and_age_and_clear(cache: ResponseCache) -> None:
    for place in range(4):
        cache.put_many("a" if place % 2 else "b", [(f"key{place}", *PAIRS[0])])
    assert cache.prune(older_than_seconds=3600.0) == 0
    assert cache.prune(model="a") == 2
    assert cache.prune(older_than_seconds=-1.0, model="c") == 0
    assert cache.clear() == 2
    assert cache.info().entries == 0


def test_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with open_cache(tmp_path / "file") as cache, pytest.raises(CacheError, match="--cache-dir"):
        cache.get_many(["key"], [PAIRS[0][0]])


def test_locked_cache_is_one_clear_error(
    cache: ResponseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmprof.cache.storage._LOCK_TIMEOUT_SECONDS", 0.2)
    cache.put_many("model", [("key", *PAIRS[0])])
    other = sqlite3.connect(tmp_path / "responses" / "cache.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(CacheError, match="cannot write"):
            cache.put_many("model", [("key2", *PAIRS[0])])
    finally:
        other.execute("ROLLBACK")
        other.close()
