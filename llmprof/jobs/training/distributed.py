"""One training on several devices: a process for each, started by torchrun, joined by accelerate.

Each process reads its part of every step, and the gradients are averaged, so that a step has the
examples that it has on one device. On CPUs they talk by gloo, on GPUs by NCCL.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.workers.devices import device_groups, names_several
from llmprof.blame import first_line
from llmprof.errors import BackendError, UsageError
from llmprof.jobs.training.lessons import Lesson, Turns, token_lines
from llmprof.jobs.training.recipe import TrainingRecipe
from llmprof.jobs.training.trainer import (
    MADE,
    Batch,
    Steps,
    attempt,
    is_failed_write,
    is_out_of_memory,
    quiet,
)
from llmprof.ledger import Progress
from llmprof.options import BackendOptions
from llmprof.requests import Message

_SECONDS_TO_END = 10


def training_devices(options: BackendOptions) -> tuple[str, ...]:
    """The devices that share a training, of those that `--device` names; one is as it is named.

    Raises:
        UnknownNameError: a part names no device.
        UsageError: a device is not there, or a process would have several of them.
    """
    device = options.device
    if not names_several(device):
        return (device,)
    import torch

    groups = device_groups(device, options.device_map, torch.cuda.device_count())
    if len(groups) > 1 and any(len(group) > 1 for group in groups):
        raise UsageError(
            f"--device {device}: in a training each process has one device; name them as "
            "cuda:0,cuda:1, or one group with --device-map auto"
        )
    return (device,) if len(groups[0]) > 1 else tuple(name for (name,) in groups)


def train_on(
    devices: Sequence[str],
    options: BackendOptions,
    lesson: Lesson,
    folder: Path,
    listener: Steps,
    batch: Batch,
) -> Path:
    """`trainer.attempt` on several devices; the folder of the weights.

    Raises:
        MemoryError: a process needs more memory than there is.
        OSError: a checkpoint cannot be written.
        BackendError: a process failed, with the first line of what it said.
    """
    order = folder / "order.json"
    content = {"options": asdict(options), "lesson": asdict(lesson), "batch": asdict(batch)}
    order.write_text(json.dumps(content, default=str), encoding="utf-8")
    said = folder / "processes.log"
    # What PyTorch's launcher is told by `accelerate launch` too, which has no way to start several
    # processes on CPUs without MPI.
    command = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(len(devices))]
    with said.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *command, "-m", __name__, str(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **_environment(devices)},
        )
        try:
            faults = list(_listen(process, listener))
            process.wait()
        finally:
            _end(process)
    if process.returncode == 0:
        return folder / MADE
    if any(fault["memory"] for fault in faults):
        raise MemoryError
    reason = next((fault["reason"] for fault in faults), f"see {said}")
    if any(fault["write"] for fault in faults):
        raise OSError(reason)
    raise BackendError(f"training on {', '.join(devices)} failed: {reason}")


def _environment(devices: Sequence[str]) -> Mapping[str, str]:
    found = {"PYTHONPATH": os.pathsep.join(os.path.abspath(each) for each in sys.path)}
    if devices[0] == "cpu":
        return {**found, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    # Processes see the named devices as cuda:0 and on.
    numbers = ",".join(name.partition(":")[2] for name in devices)
    return {**found, "CUDA_VISIBLE_DEVICES": numbers}


def _listen(process: subprocess.Popen[bytes], listener: Steps) -> Iterator[Mapping[str, Any]]:
    """The faults that processes tell of; progress is passed on."""
    assert process.stdout is not None
    for line in process.stdout:
        with suppress(ValueError):
            said = json.loads(line)
            if "reason" in said:
                yield said
            else:
                listener(Progress(total=said["total"], done=said["done"]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a launcher that still runs, and with it its processes."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Be one of the processes; the first tells of each step on standard output."""
    file = Path(sys.argv[1])
    order = json.loads(file.read_text(encoding="utf-8"))
    options, lesson = _options(order["options"]), _lesson(order["lesson"])
    first = os.environ["RANK"] == "0"
    try:
        model = LocalModel(options)
        lines = token_lines(lesson.turns, model, lesson.recipe)
        batch = Batch(**order["batch"])
        with quiet():
            attempt(model, lesson, lines, batch, file.parent, _tell if first else _tell_nobody)
    except Exception as error:
        told = {"memory": is_out_of_memory(error), "write": is_failed_write(error)}
        _write({"reason": first_line(error), **told})
        raise


def _options(values: Mapping[str, Any]) -> BackendOptions:
    options = BackendOptions(**values)
    cache_dir = None if options.cache_dir is None else Path(options.cache_dir)
    on_cpu = options.device.startswith("cpu")
    device = "cpu" if on_cpu else f"cuda:{os.environ['LOCAL_RANK']}"
    return replace(options, cache_dir=cache_dir, device=device)


def _lesson(values: Mapping[str, Any]) -> Lesson:
    turns = tuple(Turns(**{**each, "prompt": _prompt(each["prompt"])}) for each in values["turns"])
    return Lesson(turns, TrainingRecipe(**values["recipe"]), values["seed"])


def _prompt(value: Any) -> str | tuple[Message, ...]:
    return value if isinstance(value, str) else tuple(Message(**each) for each in value)


def _tell(progress: Progress) -> None:
    _write({"total": progress.total, "done": progress.done})


def _tell_nobody(progress: Progress) -> None:
    """The other processes make the same steps."""


def _write(content: Mapping[str, Any]) -> None:
    # Whole lines, and an error once nobody reads: the process that asked is gone.
    os.write(1, f"{json.dumps(content)}\n".encode())


if __name__ == "__main__":
    main()
