"""Samples on their way to the database: all of them, in order, and nothing left behind."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmprof.errors import StoreError
from llmprof.metrics.samples import Sample
from llmprof.results.spool import SampleSpool

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SAMPLES = st.lists(
    st.builds(
        Sample,
        sample_id=TEXTS,
        prompt=TEXTS,
        response=st.none() | TEXTS,
        scores=st.dictionaries(
            TEXTS, st.none() | st.floats(allow_nan=False, allow_infinity=False), max_size=3
        ),
        group=TEXTS,
        sample_index=st.integers(0, 30),
        cache_key=st.none() | TEXTS,
        error_class=st.none() | TEXTS,
    ),
    max_size=8,
)


@given(st.lists(SAMPLES, max_size=4), st.sampled_from([1, 200, 2**20]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_added_comes_back_from_memory_and_from_disk(
    tmp_path: Path, parts: list[list[Sample]], in_memory: int
) -> None:
    with closing(SampleSpool(tmp_path, in_memory=in_memory)) as spool:
        for part in parts:
            spool.add(part)
        assert list(spool) == [sample for part in parts for sample in part]
        assert list(tmp_path.iterdir()) == []


def many(count: int) -> Iterator[Sample]:
    return (Sample(str(n), "p" * 1000, "r", {}) for n in range(count))


def test_disk_that_is_full_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        closing(SampleSpool(Path("/proc"), in_memory=10_000)) as spool,
        pytest.raises(StoreError, match=r"write temporary samples to /proc.*free space"),
    ):
        spool.add(many(100))
