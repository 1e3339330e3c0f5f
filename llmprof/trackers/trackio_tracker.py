"""Trackio: one of its runs per series, on this machine unless its own settings say otherwise."""

from __future__ import annotations

from llmprof.trackers.protocol import TrackedRun

_PROJECT = "llmprof"


def record(run: TrackedRun, destination: str | None) -> None:
    """`destination` is a project; default: `llmprof`."""
    import trackio

    opened = trackio.init(
        project=destination or _PROJECT,
        name=run.key,
        config=dict(run.config),
        resume="allow",
        embed=False,
    )
    try:
        opened.log(dict(run.metrics), step=run.step)
    finally:
        opened.finish()
