"""What a tracker is told of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run, or one step of a series, whose steps a tracker shows as one run.

    `metrics` are values, ends of their intervals (`.../ci_low`, `.../ci_high`) and counts (`.../n`)
    by names of letters, digits and `_-./`; what is not defined is left out. `page` is the report,
    an HTML file.
    """

    run_id: str
    name: str
    series: str | None
    step: int
    config: Mapping[str, str]
    metrics: Mapping[str, float]
    page: Path

    @property
    def key(self) -> str:
        """What all steps of one series share; the run's own id outside of one."""
        return self.run_id if self.series is None else f"series {self.series}"


class RecordRun(Protocol):
    """Tells a tracker of a run. `destination` is where; None is the tracker's own default."""

    def __call__(self, run: TrackedRun, destination: str | None) -> None: ...
