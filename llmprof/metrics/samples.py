"""Samples and metrics: what profilers produce and the results database stores."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, overload

OVERALL = "overall"


class Scored(Protocol):
    """A scored sample for metrics, without its texts."""

    @property
    def sample_id(self) -> str: ...

    @property
    def group(self) -> str: ...

    @property
    def empty(self) -> bool | None:
        """Whether the response is nothing but blanks; None when there is none."""

    @property
    def scores(self) -> Mapping[str, float | None]: ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One scored response to one item of a data set.

    `sample_id` names the item and `sample_index` counts its responses where there are several.
    `scores` maps a metric to its value; None is "not defined for this text" or "failed". When the
    request behind it failed, `response` is None and `error_class` names the failure; when there is
    a response but its scorer refused it or failed, `error_class` names that.
    """

    sample_id: str
    prompt: str
    response: str | None
    scores: Mapping[str, float | None]
    group: str = OVERALL
    sample_index: int = 0
    cache_key: str | None = None
    error_class: str | None = None

    @property
    def empty(self) -> bool | None:
        """Whether the response is nothing but blanks; None when there is none."""
        return None if self.response is None else not self.response.strip()


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that users read, with its 95% interval and how many items it covers.

    `n` items have a value, out of `n_total` that were asked. `value` is None when it is not
    defined; `reason` then says why. With a value, `reason` is a warning about it. The interval is
    over `unit` (prompts, pairs, ...), by `interval_method`; both are None for metrics stored by
    older versions.
    """

    name: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_total: int
    group: str = OVERALL
    reason: str | None = None
    unit: str | None = "items"
    interval_method: str | None = "unnamed"


class SampleColumns(Sequence[Scored]):
    """Column store of samples without their texts, in the order they were added.

    A sample with six scores takes about 80 bytes beside its id, which its item shares; as a
    `Sample` it takes about 600 bytes and its texts.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._groups: list[str] = []
        self._empty: list[bool | None] = []
        # Per sample: the offset of each score from the sample's start in `_values`.
        self._places: list[Mapping[str, int]] = []
        self._starts = array("q")
        # NaN, which is never a score, stands for None.
        self._values = array("d")
        self._known: dict[tuple[str, ...], Mapping[str, int]] = {}

    def add(self, samples: Iterable[Sample]) -> None:
        """Append everything of each sample but its texts."""
        for sample in samples:
            names = tuple(sample.scores)
            if names not in self._known:
                self._known[names] = {name: place for place, name in enumerate(names)}
            self._ids.append(sample.sample_id)
            self._groups.append(sys.intern(sample.group))
            self._empty.append(sample.empty)
            self._places.append(self._known[names])
            self._starts.append(len(self._values))
            self._values.extend(
                math.nan if value is None else value for value in sample.scores.values()
            )

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, place: int) -> Scored: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Scored]: ...
    def __getitem__(self, place: int | slice) -> Scored | Sequence[Scored]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        scores = _Scores(self._places[place], self._values, self._starts[place])
        return _Kept(self._ids[place], self._groups[place], self._empty[place], scores)


class _Kept(NamedTuple):
    """One sample, created on access."""

    sample_id: str
    group: str
    empty: bool | None
    scores: Mapping[str, float | None]


class _Scores(Mapping[str, float | None]):
    """The scores of one sample: a view of the values of all samples."""

    __slots__ = ("_places", "_start", "_values")

    def __init__(self, places: Mapping[str, int], values: array[float], start: int) -> None:
        self._places = places
        self._values = values
        self._start = start

    def __getitem__(self, name: str) -> float | None:
        value = self._values[self._start + self._places[name]]
        return None if math.isnan(value) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
