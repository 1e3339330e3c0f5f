"""A run is resumed only when its process has ended, also where ids of processes are used again."""

import os
import socket
import subprocess
import sys

import pytest

from llmprof.results.process import identify, may_be_running

HOST = socket.gethostname()


def test_process_that_runs_is_known_by_its_start() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    process = identify(child.pid)
    assert may_be_running(child.pid, HOST, process)
    # Another process that has the same id now.
    assert not may_be_running(child.pid, HOST, process[:-1] + "x")
    child.communicate()
    assert not may_be_running(child.pid, HOST, process)
    with pytest.raises(ProcessLookupError):
        identify(child.pid)


def test_process_of_another_container_may_be_running_though_it_is_not_seen() -> None:
    boot, namespace, start = identify(os.getpid()).split("/")
    assert may_be_running(1, HOST, f"{boot}/pid:[1]/{start}")
    assert may_be_running(os.getpid(), HOST, f"{boot}/pid:[1]/{start}")
    assert namespace.startswith("pid:[")


def test_process_before_a_reboot_is_gone_and_one_of_another_machine_may_be_running() -> None:
    _, namespace, start = identify(os.getpid()).split("/")
    assert not may_be_running(os.getppid(), HOST, f"another/{namespace}/{start}")
    assert may_be_running(os.getppid(), "another-host", f"another/{namespace}/{start}")


def test_runs_of_older_versions_are_judged_by_host_and_id() -> None:
    assert may_be_running(os.getppid(), HOST, None)
    assert may_be_running(1, "another-host", None)
    assert not may_be_running(None, HOST, None)
    assert not may_be_running(os.getpid(), HOST, None)
