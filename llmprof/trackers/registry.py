"""The trackers by name, and the errors of those that cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from shlex import quote

from llmprof.errors import (
    MissingDependencyError,
    TrackerError,
    UnknownNameError,
    UsageError,
    install_extra,
)
from llmprof.trackers.libraries import RECORDS, TrackedRun

# The package that each needs.
TRACKERS = {
    "mlflow": "mlflow",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
    "wandb": "wandb",
}


def check_trackers(names: Sequence[str]) -> list[tuple[str, str | None]]:
    """Each tracker with its destination, from texts such as `mlflow` and `tensorboard:logs`.

    Raises:
        UnknownNameError: there is no such tracker.
        MissingDependencyError: its package is not installed.
    """
    found = []
    for each in names:
        name, _, destination = each.strip().partition(":")
        if name not in TRACKERS:
            raise UnknownNameError(
                f"unknown tracker {name!r}; choose one of: {', '.join(TRACKERS)}"
            )
        if find_spec(TRACKERS[name]) is None:
            raise MissingDependencyError(
                f"tracker {name} is not installed; run `{install_extra(name)}`"
            )
        found.append((name, destination or None))
    if not found:
        raise UsageError(f"no tracker is named; choose one of: {', '.join(TRACKERS)}")
    return found


def record(name: str, run: TrackedRun, destination: str | None) -> None:
    """Send a run to a tracker, through its own library.

    Raises:
        TrackerError: the tracker refused it, or cannot be reached.
    """
    try:
        RECORDS[name](run, destination)
    except Exception as error:  # Each library has its own error classes.
        first = str(error).strip().splitlines()
        again = f"--run {run.run_id}" if run.series is None else f"--series {quote(run.series)}"
        raise TrackerError(
            f"{name} did not take run {run.run_id}: {first[0] if first else type(error).__name__}; "
            f"the results are stored: `llmprof export tracker {again} --to {name}` tries again"
        ) from error
