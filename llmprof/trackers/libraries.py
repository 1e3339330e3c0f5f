"""What trackers are sent of a run, and each of them by its own library: one run per series."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

# The project or experiment, and the folder of TensorBoard, where the user names none.
_PROJECT = "llmprof"
_FOLDER = Path("runs")
_MLFLOW_KEY = "llmprof.key"
# MLflow takes no longer value of a parameter.
_LONGEST = 6_000
_WANDB_STEP = "llmprof/step"


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


def record_mlflow(run: TrackedRun, destination: str | None) -> None:
    """`destination` is a tracking URI; default: MLflow's own, such as `MLFLOW_TRACKING_URI`."""
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient
    from mlflow.utils.time import get_current_time_millis

    client = MlflowClient(destination)
    found = client.get_experiment_by_name(_PROJECT)
    experiment = client.create_experiment(_PROJECT) if found is None else found.experiment_id
    quoted = run.key.replace("'", "\\'")
    known = client.search_runs([experiment], f"tags.`{_MLFLOW_KEY}` = '{quoted}'", max_results=1)
    step_tag = f"llmprof.run.{run.step}"
    if known:
        run_id = known[0].info.run_id
        if known[0].data.tags.get(step_tag) == run.run_id:
            # MLflow would keep each value a second time.
            return
    else:
        made = client.create_run(experiment, tags={_MLFLOW_KEY: run.key}, run_name=run.name)
        run_id = made.info.run_id
        for name, value in run.config.items():
            client.log_param(run_id, name, value[:_LONGEST])
    now = get_current_time_millis()
    metrics = [Metric(name, value, now, run.step) for name, value in run.metrics.items()]
    client.log_batch(run_id, metrics=metrics)
    client.log_artifact(run_id, str(run.page))
    client.set_tag(run_id, step_tag, run.run_id)
    client.set_terminated(run_id)


def record_tensorboard(run: TrackedRun, destination: str | None) -> None:
    """`destination` is the folder that TensorBoard is started with; default: `runs`.

    The event files of a series are in a folder of their own, with the reports beside them.
    """
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(destination or _FOLDER) / re.sub(r"[^\w.-]+", "-", run.key)
    page = folder / f"{run.run_id}.html"
    if page.is_file():
        # TensorBoard would draw each value a second time.
        return
    with SummaryWriter(str(folder)) as writer:
        for name, value in run.metrics.items():
            writer.add_scalar(name, value, run.step)
        rows = [f"| {name} | {value} |" for name, value in run.config.items()]
        table = "\n".join(["| setting | value |", "|---|---|", *rows])
        writer.add_text("configuration", table, run.step)
    shutil.copy(run.page, page)


def record_trackio(run: TrackedRun, destination: str | None) -> None:
    """`destination` is a project; default: `llmprof`.

    On this machine, unless Trackio's own settings say otherwise.
    """
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
        page = trackio.Artifact(f"report-{run.run_id}", type="report")
        page.add_file(run.page, name=run.page.name)
        opened.log_artifact(page)
    finally:
        opened.finish()


def record_wandb(run: TrackedRun, destination: str | None) -> None:
    """`destination` is a project; default: `WANDB_PROJECT`, or else `llmprof`.

    Where a run is open, such as that of a trainer, it goes into that.
    """
    import wandb

    if wandb.run is not None:
        _log_wandb(wandb.run, run)
        return
    opened = wandb.init(
        project=destination or os.environ.get("WANDB_PROJECT") or _PROJECT,
        id=hashlib.sha256(run.key.encode()).hexdigest()[:16],
        name=run.name,
        config=dict(run.config),
        resume="allow",
    )
    try:
        _log_wandb(opened, run)
    finally:
        opened.finish()


def _log_wandb(opened: Any, run: TrackedRun) -> None:
    import wandb

    # Its own axis: a training that is logged to the same run counts its steps in another way.
    opened.define_metric(_WANDB_STEP)
    opened.define_metric("llmprof/*", step_metric=_WANDB_STEP)
    values = {f"llmprof/{name}": value for name, value in run.metrics.items()}
    opened.log({_WANDB_STEP: run.step, **values})
    page = wandb.Artifact(f"report-{run.run_id}", type="report")
    page.add_file(str(run.page), name=run.page.name)
    opened.log_artifact(page)


RECORDS: Mapping[str, RecordRun] = {
    "mlflow": record_mlflow,
    "tensorboard": record_tensorboard,
    "trackio": record_trackio,
    "wandb": record_wandb,
}
