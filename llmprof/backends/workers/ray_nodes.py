"""The nodes of a Ray cluster: how they are reached, and what each worker takes of them."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from llmprof.backends.workers.devices import MOST_PROCESSES
from llmprof.errors import (
    BackendError,
    MissingDependencyError,
    UsageError,
    install_extra,
    require,
)

# The first and the last tested; Ray's releases of one number keep their interface.
_OLDEST, _BEYOND = (2, 60), (3, 0)
_AUTHENTICATION = "RAY_AUTH_MODE"
ADVICE = "docs/how-to/cluster.md starts a cluster from nothing"


@dataclass(frozen=True, slots=True)
class NodeShare:
    """What one worker takes of a node: `node_id` is Ray's, `address` for messages."""

    node_id: str
    address: str
    cpus: float
    gpus: float


def node_shares(
    nodes: Sequence[Mapping[str, Any]], device: str, device_map: str | None
) -> list[NodeShare]:
    """One share for each worker, from Ray's list of nodes; the nodes take turns.

    A worker has one GPU; with `device_map` all GPUs of its node. Without GPUs it has all processors
    of its node, and with `cpu:N` a part of them.

    Raises:
        UsageError: the cluster has no device of this kind.
    """
    kind, _, number = device.partition(":")
    alive = [node for node in nodes if node["Alive"]]
    gpus = sum(_amount(node, "GPU") for node in alive)
    if kind in ("cuda", "all") and not gpus:
        raise UsageError(f"--device {device}: no node of the cluster has a GPU; use --device cpu")
    by_node = [
        _of_gpus(node, device_map) if gpus and kind != "cpu" else _of_cpus(node, int(number or 1))
        for node in alive
    ]
    most = max(map(len, by_node), default=0)
    shares = [each[turn] for turn in range(most) for each in by_node if turn < len(each)]
    if not shares:
        raise UsageError("no node of the cluster offers a processor; start one with `ray start`")
    return shares


def check_cluster_device(device: str) -> None:
    """Refuse a `--device` that no worker of a cluster can be given.

    Raises:
        UsageError: it is of one machine alone.
    """
    kind, _, number = device.partition(":")
    several = kind == "cpu" and number.isdecimal() and 1 <= int(number) <= MOST_PROCESSES
    if device not in ("auto", "cuda", "all", "cpu") and not several:
        raise UsageError(
            f"--device {device} names devices of one machine; with --cluster give auto, cuda (a "
            "worker per GPU), cpu (one per node) or cpu:N (N per node)"
        )


def _of_gpus(node: Mapping[str, Any], device_map: str | None) -> list[NodeShare]:
    count = int(_amount(node, "GPU"))
    workers = min(count, 1) if device_map else count
    cpus = _amount(node, "CPU") / workers if workers else 0
    each = count / workers if workers else 0
    return [_share(node, min(cpus, 1.0), each)] * workers


def _of_cpus(node: Mapping[str, Any], workers: int) -> list[NodeShare]:
    cpus = _amount(node, "CPU")
    return [_share(node, cpus / workers, 0)] * workers if cpus else []


def _share(node: Mapping[str, Any], cpus: float, gpus: float) -> NodeShare:
    return NodeShare(node["NodeID"], node["NodeManagerAddress"], cpus, gpus)


def _amount(node: Mapping[str, Any], resource: str) -> float:
    return float(node["Resources"].get(resource, 0))


def connect(address: str) -> Sequence[Mapping[str, Any]]:
    """Connect to the cluster, unless this process is connected, and list its nodes."""
    check_ray()
    # Whoever reaches a cluster without authentication runs code on all of its nodes.
    os.environ.setdefault(_AUTHENTICATION, "token")
    import ray

    with _one_line(f"cannot connect to the Ray cluster {address}", ADVICE), _signals_kept():
        if not ray.is_initialized():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        nodes: Sequence[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


def check_ray() -> None:
    """Check that Ray is there.

    Raises:
        MissingDependencyError: it is not, or is of a version that was not tested.
    """
    require("ray", "--cluster", install_extra("ray"))
    found = version("ray")
    if not _OLDEST <= tuple(int(part) for part in found.split(".")[:2]) < _BEYOND:
        raise MissingDependencyError(
            f"--cluster was tested with Ray 2.60 and newer releases of Ray 2, and Ray {found} is "
            f"installed; run `{install_extra('ray')}` on all nodes"
        )


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Undo what Ray does to SIGTERM, and leave out its warnings: it raises an error too."""
    handler = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _one_line(doing: str, cure: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise BackendError(f"{doing}: {short(error)}; {cure}") from error


def short(error: BaseException) -> str:
    """What an error says in one line: the first, and the next where that only introduces it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = lines[: 1 + lines[0].endswith(":")] if lines else [type(error).__name__]
    return " ".join(said).rstrip(".:")
