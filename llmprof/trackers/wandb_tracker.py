"""Weights & Biases: one of its runs per series; into the run that is open, where there is one."""

from __future__ import annotations

import hashlib

from llmprof.trackers.protocol import TrackedRun

_PROJECT = "llmprof"
_STEP = "llmprof/step"


def record(run: TrackedRun, destination: str | None) -> None:
    """`destination` is a project; default: `WANDB_PROJECT`, or else `llmprof`."""
    import os

    import wandb

    if wandb.run is not None:
        _log(wandb.run, run)
        return
    opened = wandb.init(
        project=destination or os.environ.get("WANDB_PROJECT") or _PROJECT,
        id=hashlib.sha256(run.key.encode()).hexdigest()[:16],
        name=run.name,
        config=dict(run.config),
        resume="allow",
    )
    try:
        _log(opened, run)
    finally:
        opened.finish()


def _log(opened: object, run: TrackedRun) -> None:
    from typing import Any, cast

    import wandb

    target = cast(Any, opened)
    # Its own axis: a training that is logged to the same run counts its steps in another way.
    target.define_metric(_STEP)
    target.define_metric("llmprof/*", step_metric=_STEP)
    target.log({_STEP: run.step, **{f"llmprof/{each}": x for each, x in run.metrics.items()}})
    page = wandb.Artifact(f"report-{run.run_id}", type="report")
    page.add_file(str(run.page), name="report.html")
    target.log_artifact(page)
