"""Data to store: the start of a run, the work of a profile, and its result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmprof.metrics.samples import Metric, Sample


@dataclass(frozen=True, slots=True)
class RunStart:
    """The identity of a run, known before it begins; an equal one resumes an unfinished run."""

    command: str
    model: str
    backend: str
    config: Mapping[str, Any]
    seed: int
    versions: Mapping[str, str]
    git_revision: str | None = None
    # Not part of its identity: its name, the machine, and the size of the model.
    name: str | None = None
    device: str | None = None
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """The engine's work for a profile: counts of requests, and wall time in seconds.

    `n_truncated` counts prompts that were cut to fit the model's context, `n_shortened` answers
    that ended because it was full, `n_thinking_tokens` the reasoning tokens. `failures` maps each
    class of failure, and each parameter that a server does not take, to its first message.
    """

    n_requests: int
    n_cached: int
    n_failed: int
    n_truncated: int
    n_retries: int
    seconds: float
    failures: Mapping[str, str] = field(default_factory=dict)
    n_shortened: int = 0
    n_thinking_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ProfileResult:
    """One profiler's results on one data set; `n_items` counts items, not samples.

    `n_available` of the data set, None where unknown. Samples are iterated over once, in order.
    """

    profiler: str
    protocol_version: str
    dataset: str
    source: str
    sha256: str
    demonstration: bool
    n_items: int
    samples: Iterable[Sample]
    metrics: Sequence[Metric]
    work: Work
    n_available: int | None = None
