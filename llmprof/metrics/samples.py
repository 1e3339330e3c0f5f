"""What profilers produce and results keep: samples and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

OVERALL = "overall"


class Scored(Protocol):
    """What metrics are made of: a sample without its texts, which need not be in memory."""

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
    defined; `reason` then says why. With a value, `reason` is a caution about it.
    """

    name: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_total: int
    group: str = OVERALL
    reason: str | None = None
