"""A server of llmprof's own: nothing of it is left, however llmprof ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from llmprof.backends.managed.child_server import ChildServer
from llmprof.errors import BackendError
from tests.servers import program

WORDS = [sys.executable, program.__file__, "serve", "toy", "--port", "{port}"]


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    file = tmp_path / "pids"
    monkeypatch.setenv("STAND_IN_PIDS", str(file))
    yield file
    for pid in running(file):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def server(tmp_path: Path, pids: Path) -> Iterator[ChildServer]:
    each = ChildServer(WORDS, tmp_path / "logs", 60)
    yield each
    each.stop()


def wait_until_ready(server: ChildServer) -> None:
    while not server.is_ready():
        time.sleep(0.05)


def running(pids: Path) -> list[int]:
    if not pids.is_file():
        return []
    return [pid for pid in map(int, pids.read_text().split()) if is_alive(pid)]


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def none_left(pids: Path, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while running(pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not running(pids)


def test_server_is_waited_for_and_stopped_with_its_children(
    server: ChildServer, pids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "late")
    server.start()
    wait_until_ready(server)
    assert len(running(pids)) == 2
    server.stop()
    assert running(pids) == []
    assert list((tmp_path / "logs").iterdir()) == []
    server.start()
    wait_until_ready(server)


def test_crash_at_the_start_is_told_with_its_last_words(
    server: ChildServer, pids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "crash")
    server.start()
    with pytest.raises(BackendError) as told:
        wait_until_ready(server)
    (log,) = (tmp_path / "logs").iterdir()
    name = Path(sys.executable).name
    assert str(told.value) == (
        f"the server {name} ended before it was ready (exit code 1): RuntimeError: no GPU has 80 "
        f"GiB (all it said: {log})"
    )
    assert none_left(pids)


def test_server_that_never_answers_is_given_up(
    tmp_path: Path, pids: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "never")
    # The program ignores SIGTERM, and its keeper is killed before it gives up waiting for it.
    monkeypatch.setattr("llmprof.backends.managed.child_server._STOP_SECONDS", 0.1)
    server = ChildServer(WORDS, tmp_path / "logs", 0.5)
    server.start()
    while not (pids.is_file() and pids.read_text()):
        time.sleep(0.05)
    first = int(pids.read_text().split()[0])
    with pytest.raises(BackendError, match=r"does not answer after 0\.5 seconds"):
        wait_until_ready(server)
    deadline = time.monotonic() + 20
    while is_alive(first) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(first)


def test_port_that_is_taken_is_told(server: ChildServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("llmprof.backends.managed.child_server._free_port", lambda: port)
        server.start()
        with pytest.raises(BackendError, match=r"ended before it was ready .*address already in"):
            wait_until_ready(server)


def test_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    server = ChildServer([str(tmp_path / "nothing"), "{port}"], tmp_path, 60)
    server.start()
    with pytest.raises(BackendError, match=r"cannot start .*nothing: No such file"):
        wait_until_ready(server)


_HOLDER = """
import sys, time
from pathlib import Path
from llmprof.backends.managed.child_server import ChildServer
server = ChildServer(sys.argv[2:], Path(sys.argv[1]), 60)
server.start()
while not server.is_ready():
    time.sleep(0.05)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_process_is_killed(
    tmp_path: Path, pids: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "logs"), *WORDS]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        assert len(running(pids)) == 2
        # The whole group, as a terminal does.
        os.killpg(holder.pid, number)
    assert none_left(pids)
