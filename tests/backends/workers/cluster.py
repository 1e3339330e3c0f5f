"""A Ray cluster of several nodes on this machine, from `ray start` to its end."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

_TRIES = 3
_SECONDS = 90


class RayNodes:
    """Nodes with one processor each; the first is the head.

    `environment` is what whoever connects needs besides an address: the token.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = _free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        self._nodes: list[psutil.Process] = []
        self.start(
            "--head",
            f"--port={self._port}",
            f"--ray-client-server-port={_free_port()}",
            "--include-dashboard=false",
            f"--temp-dir={folder}",
        )

    def join(self, **environment: str) -> psutil.Process:
        """Start another node; `environment` is its workers' too."""
        return self.start(f"--address={self.address}", **environment)

    def start(self, *arguments: str, **environment: str) -> psutil.Process:
        """Start a node; its raylet gives up where it gets no processor for 15 seconds."""
        for _ in range(_TRIES):
            node = self._start(arguments, environment)
            if _is_up(node, self._log):
                self._nodes.append(node)
                return node
            kill_tree(node)
        raise RuntimeError(self._log.read_text())

    def close(self) -> None:
        for node in reversed(self._nodes):
            kill_tree(node)

    @property
    def _log(self) -> Path:
        return self._folder / f"node {len(self._nodes)}"

    def _start(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> psutil.Process:
        command = Path(sys.executable).with_name("ray")
        fixed = ("--num-cpus=1", "--object-store-memory=80000000", "--block")
        with self._log.open("w") as log:
            process = subprocess.Popen(
                # Ahead of other work, where this user may say so.
                ["nice", "-n", "-15", command, "start", *arguments, *fixed],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **environment},
            )
        return psutil.Process(process.pid)


def kill_tree(process: psutil.Process) -> None:
    """Kill a process and all that it started."""
    try:
        processes = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for each in processes:
        try:
            each.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=30)


def _is_up(node: psutil.Process, log: Path) -> bool:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and node.is_running():
        if "Ray runtime started" in log.read_text():
            return True
        time.sleep(0.1)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
