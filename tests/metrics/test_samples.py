"""Samples without their texts: nothing that a metric is made of is lost."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.metrics.samples import Sample, SampleColumns

SCORES = st.dictionaries(
    st.sampled_from("abcdef"), st.none() | st.floats(allow_nan=False, allow_infinity=False)
)
SAMPLES = st.lists(
    st.builds(
        Sample,
        sample_id=st.text(max_size=3),
        prompt=st.text(max_size=3),
        response=st.none() | st.text(alphabet=" \nx", max_size=3),
        scores=SCORES,
        group=st.text(max_size=3),
    )
)


@given(SAMPLES, st.integers(0, 5))
def test_everything_but_the_texts_comes_back_in_order(samples: list[Sample], first: int) -> None:
    kept = SampleColumns()
    kept.add(samples[:first])
    kept.add(samples[first:])
    assert len(kept) == len(samples)
    for ours, sample in zip(kept, samples, strict=True):
        assert (ours.sample_id, ours.group) == (sample.sample_id, sample.group)
        assert ours.empty is sample.empty
        # Their order is that of textual metrics.
        assert list(ours.scores.items()) == list(sample.scores.items())


def test_places_are_those_of_a_list() -> None:
    kept = SampleColumns()
    kept.add(Sample(str(n), "", "", {"a": float(n)}) for n in range(5))
    assert kept[-1].scores["a"] == 4.0
    assert [each.sample_id for each in kept[1:4:2]] == ["1", "3"]
    with pytest.raises(IndexError):
        kept[5]


def test_text_that_is_asked_for_is_an_error_and_never_empty() -> None:
    kept = SampleColumns()
    kept.add([Sample("1", "prompt", "response", {})])
    with pytest.raises(AttributeError):
        kept[0].response  # type: ignore[attr-defined]  # noqa: B018


def test_score_that_is_not_there_is_told_from_one_that_is_not_defined() -> None:
    kept = SampleColumns()
    kept.add([Sample("1", "", None, {"a": None})])
    scores = kept[0].scores
    assert ("a" in scores, scores["a"], scores.get("b")) == (True, None, None)
    assert "b" not in scores
    with pytest.raises(KeyError):
        scores["b"]


def test_sample_takes_a_hundred_bytes_however_long_its_texts_are() -> None:
    count = 5_000
    ids = [str(n) for n in range(count)]
    kept = SampleColumns()
    tracemalloc.start()
    try:
        kept.add(
            Sample(
                name, "p" * 500, "r" * 500, {score: n / 7 for score in "abcdef"}, f"group {n % 3}"
            )
            for n, name in enumerate(ids)
        )
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size < 120 * count
