"""A seeded sample of a data set, drawn evenly from its groups."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from llmprof.datasets.items import DataOptions, Dataset
from llmprof.errors import DataError

Load: TypeAlias = Callable[[DataOptions], Sequence[Dataset[Any]]]


@dataclass(frozen=True, slots=True)
class DataSample:
    """How many items to draw of each data set, and the seed that decides which."""

    size: int
    seed: int = 0


def load_part(load: Load, options: DataOptions, sampling: DataSample | None) -> list[Dataset[Any]]:
    """The data sets with the items to use, and how many each has in all.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a file is broken.
    """
    whole = replace(options, limit=None)
    if sampling is not None:
        return [sampled(each, sampling) for each in load(whole)]
    found = load(options)
    if options.limit is None:
        return [replace(each, available=len(each.items)) for each in found]
    try:
        counts: dict[str, int] = {each.name: len(each.items) for each in load(whole)}
    except DataError:
        # Broken records after the limit are not used.
        counts = {}
    return [replace(each, available=counts.get(each.name)) for each in found]


def sampled(dataset: Dataset[Any], sampling: DataSample) -> Dataset[Any]:
    """A part of a data set in which each group has its share, in the order of the data.

    A larger sample of one seed holds the smaller: items of a group are ordered by a hash of seed
    and id, and each stands at its place in that order, as a share of the group.

    >>> items = tuple(range(10))
    >>> [len(sampled(Dataset("d", "", "", items), DataSample(n)).items) for n in (3, 99)]
    [3, 10]
    """
    groups: dict[str, list[int]] = {}
    for place, item in enumerate(dataset.items):
        groups.setdefault(stratum(item), []).append(place)
    position: dict[int, tuple[float, str]] = {}
    for places in groups.values():
        ordered = sorted((_hash(sampling.seed, dataset.items[place]), place) for place in places)
        for rank, (drawn, place) in enumerate(ordered):
            position[place] = (rank + 0.5) / len(places), drawn
    taken = sorted(sorted(position, key=position.__getitem__)[: sampling.size])
    items = tuple(dataset.items[place] for place in taken)
    return replace(dataset, items=items, available=len(dataset.items))


def stratum(item: object) -> str:
    """The group of an item, from its `stratum`; data without groups are one."""
    return str(getattr(item, "stratum", ""))


def _hash(seed: int, item: object) -> str:
    name = getattr(item, "id", None) or getattr(item, "name", None) or item
    return hashlib.sha256(f"{seed}:{name}".encode(errors="surrogatepass")).hexdigest()
