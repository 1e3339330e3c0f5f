"""TensorBoard: event files in a folder per series, with the report beside them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from llmprof.trackers.protocol import TrackedRun

_FOLDER = Path("runs")


def record(run: TrackedRun, destination: str | None) -> None:
    """`destination` is the folder that TensorBoard is started with; default: `runs`."""
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(destination or _FOLDER) / re.sub(r"[^\w.-]+", "-", run.key)
    with SummaryWriter(str(folder)) as writer:
        for name, value in run.metrics.items():
            writer.add_scalar(name, value, run.step)
        rows = [f"| {name} | {value} |" for name, value in run.config.items()]
        table = "\n".join(["| setting | value |", "|---|---|", *rows])
        writer.add_text("configuration", table, run.step)
    shutil.copy(run.page, folder / f"{run.run_id}.html")
