"""Parses `--device` for several workers: the devices of each worker, and whether they exist."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from llmprof.errors import UnknownNameError, UsageError

Group: TypeAlias = tuple[str, ...]
# An upper limit against typing errors.
MOST_PROCESSES = 1024
_FORMS = "auto, cpu, cpu:N, cuda, cuda:N, all, a list such as cuda:0,cuda:1, or groups such as "
_FORMS += "cuda:0+cuda:1,cuda:2+cuda:3"


def names_several(device: str) -> bool:
    """Whether `--device` asks for workers, and not for one device of this process.

    >>> [names_several(each) for each in ("auto", "cuda:1", "cpu:2", "cuda:0,cuda:1", "all")]
    [False, False, True, True, True]
    """
    return device == "all" or "," in device or "+" in device or device.startswith("cpu:")


def device_groups(device: str, device_map: str | None, gpus: int) -> list[Group]:
    """The devices of each worker, in order; `gpus` is how many torch sees.

    >>> device_groups("cpu:2", None, 0)
    [('cpu',), ('cpu',)]
    >>> device_groups("cuda:0+cuda:1,cuda:2+cuda:3", "auto", 4)
    [('cuda:0', 'cuda:1'), ('cuda:2', 'cuda:3')]

    Raises:
        UnknownNameError: a part names no device.
        UsageError: a device is not on this machine, or parts contradict each other.
    """
    if device == "all":
        if not gpus:
            raise UsageError(
                "--device all: torch sees no GPU on this machine; use --device cpu:2 for two "
                "workers on the CPU, or install a torch built for your GPU"
            )
        groups: list[Group] = [(f"cuda:{number}",) for number in range(gpus)]
        return [tuple(name for (name,) in groups)] if device_map else groups
    groups = [group for part in device.split(",") for group in _groups(part.strip(), device)]
    _check(groups, device, device_map, gpus)
    return groups


def _groups(part: str, device: str) -> list[Group]:
    kind, colon, number = part.partition(":")
    if kind == "cpu" and "+" not in part and (number.isdecimal() or not colon):
        count = int(number or 1)
        if not 1 <= count <= MOST_PROCESSES:
            raise UsageError(f"--device {part}: choose 1 to {MOST_PROCESSES} workers on the CPU")
        return [("cpu",)] * count
    names = tuple(part.split("+"))
    for name in names:
        kind, colon, number = name.partition(":")
        if kind != "cuda" or not (number.isdecimal() or (not colon and len(names) == 1)):
            raise UnknownNameError(
                f"unknown device {name!r} in --device {device}; choose one of: {_FORMS}"
            )
    return [tuple(name if ":" in name else "cuda:0" for name in names)]


def _check(groups: Sequence[Group], device: str, device_map: str | None, gpus: int) -> None:
    kinds = {name.partition(":")[0] for group in groups for name in group}
    if len(kinds) > 1:
        raise UsageError(
            f"--device {device} mixes CPU and GPU, which do not give the same numbers; name "
            "devices of one kind"
        )
    for name in dict.fromkeys(name for group in groups for name in group):
        if name != "cpu" and int(name.partition(":")[2]) >= gpus:
            raise UsageError(
                f"--device {device}: torch sees {gpus} CUDA devices on this machine, so there is "
                f"no {name}; name others, or use --device cpu:2 for two workers on the CPU"
            )
    grouped = [group for group in groups if len(group) > 1]
    if grouped and device_map is None:
        raise UsageError(
            f"--device {'+'.join(grouped[0])} is one worker on {len(grouped[0])} GPUs; add "
            "--device-map auto, which spreads the model over them"
        )
    if device_map is not None and len(grouped) < len(groups):
        raise UsageError(
            f"--device {device} and --device-map {device_map} contradict each other; a model is "
            "spread over a group, such as cuda:0+cuda:1"
        )
    uses = Counter(name for group in groups for name in group)
    if grouped and (twice := [name for name, count in uses.items() if count > 1]):
        raise UsageError(f"--device {device} names {twice[0]} twice; give each group its own GPUs")


def check_room(
    groups: Sequence[Group], weight_bytes: int | None, free_bytes: Mapping[str, int]
) -> None:
    """Refuse workers whose weights do not fit beside each other; None is of unknown size.

    Raises:
        UsageError: the workers on one device need more memory than is free there.
    """
    uses = Counter(group[0] for group in groups if len(group) == 1)
    for name, count in uses.items():
        if weight_bytes is not None and count > 1 and count * weight_bytes > free_bytes[name]:
            needed, free = count * weight_bytes / 1e9, free_bytes[name] / 1e9
            raise UsageError(
                f"{count} workers on {name} hold {needed:.1f} GB of weights together, and "
                f"{free:.1f} GB are free there; use fewer workers, --dtype bf16 or --quantize 4bit"
            )


def free_memory(names: Sequence[str]) -> dict[str, int]:
    """Free bytes of each device."""
    import psutil

    def free(name: str) -> int:
        if name == "cpu":
            return int(psutil.virtual_memory().available)
        import torch

        return int(torch.cuda.mem_get_info(name)[0])

    return {name: free(name) for name in dict.fromkeys(names)}


def gpu_count() -> int:
    """How many GPUs torch sees."""
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def environment_of(group: Group, workers: int) -> dict[str, str]:
    """What a worker's environment adds: its GPUs where it has several, and its share of threads.

    A number of threads that the user has set is for each worker.
    """
    added: dict[str, str] = {}
    if len(group) > 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        numbers = [name.partition(":")[2] for name in group]
        if visible:
            known = visible.split(",")
            numbers = [known[int(number)] for number in numbers]
        added["CUDA_VISIBLE_DEVICES"] = ",".join(numbers)
    if "OMP_NUM_THREADS" not in os.environ:
        added["OMP_NUM_THREADS"] = str(max(1, _processors() // workers))
    return added


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
