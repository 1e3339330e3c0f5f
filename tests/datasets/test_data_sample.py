"""Samples: seeded, nested, and with each group's share."""

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from llmprof.datasets import DataOptions, Dataset
from llmprof.datasets.data_sample import DataSample, load_part, sampled
from llmprof.errors import DataError


@dataclass(frozen=True)
class Item:
    id: str
    stratum: str = ""


def data(sizes: dict[str, int]) -> Dataset[Item]:
    items = tuple(Item(f"{name}{place}", name) for name, n in sizes.items() for place in range(n))
    return Dataset("d", "here", "0" * 64, items)


SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1)


@given(SIZES, st.integers(1, 200), st.integers(0, 9))
def test_each_group_has_its_share(sizes: dict[str, int], n: int, seed: int) -> None:
    whole = data(sizes)
    found = sampled(whole, DataSample(n, seed))
    total = sum(sizes.values())
    assert len(found.items) == min(n, total)
    assert found.available == total
    counts = Counter(item.stratum for item in found.items)
    for name, size in sizes.items():
        assert abs(counts[name] - size * min(n, total) / total) <= len(sizes) / 2 + 1
    assert list(found.items) == [item for item in whole.items if item in set(found.items)]


@given(SIZES, st.integers(1, 50), st.integers(1, 50), st.integers(0, 9))
def test_a_larger_sample_holds_the_smaller(
    sizes: dict[str, int], n: int, more: int, seed: int
) -> None:
    small, large = (sampled(data(sizes), DataSample(each, seed)) for each in (n, n + more))
    assert set(small.items) <= set(large.items)


def test_another_seed_draws_others() -> None:
    first, second = (sampled(data({"a": 500}), DataSample(50, seed)).items for seed in (0, 1))
    assert 0 < len(set(first) & set(second)) < 20


def test_a_limit_says_of_how_many_and_is_not_broken_by_what_is_behind_it() -> None:
    def load(options: DataOptions) -> list[Dataset[Item]]:
        if options.limit is None and broken:
            raise DataError("line 9 is broken")
        whole = data({"a": 9})
        return [Dataset("d", "here", "0" * 64, whole.items[: options.limit])]

    broken = False
    (found,) = load_part(load, DataOptions(limit=4), None)
    assert (len(found.items), found.available) == (4, 9)
    broken = True
    (found,) = load_part(load, DataOptions(limit=4), None)
    assert (len(found.items), found.available) == (4, None)
