"""Identify the process of a run, so that only a run whose process has ended is resumed."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Fields of /proc/PID/stat after the name, which may contain anything but ends with the last `)`.
_START_TIME = 19


def identify(pid: int) -> str:
    """Boot of the machine, namespace of process ids and start time of a running process.

    Together with the process id this names one process: ids are used again after a while, and each
    container and each boot counts its own. Each part is empty if the system does not provide it.

    Raises:
        ProcessLookupError: there is no such process.
    """
    boot, namespace = "", ""
    with suppress(OSError):
        boot = _BOOT_ID.read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    return f"{boot}/{namespace}/{_start_time(pid)}"


def may_be_running(pid: int | None, host: str | None, process: str | None) -> bool:
    """Whether the process that started a run may still be running.

    `process` is what `identify` said of it; None in runs of older versions. A process that is not
    visible, in another container or on another machine, may be running. Earlier runs of this
    process have ended.
    """
    if pid is None:
        return False
    if process is None:
        return pid != os.getpid() and (host != socket.gethostname() or _exists(pid))
    here, there = identify(os.getpid()).rsplit("/", 1), process.rsplit("/", 1)
    if here[0].partition("/")[0] != there[0].partition("/")[0]:
        # Another boot of this machine, or of one with another name.
        return host != socket.gethostname()
    if here[0] != there[0]:
        return True
    with suppress(ProcessLookupError):
        return pid != os.getpid() and identify(pid) == process
    return False


def _start_time(pid: int) -> str:
    """The start time of a process: clock ticks after the boot on Linux, elsewhere Unix time."""
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError) as error:
            raise ProcessLookupError(pid) from error
        return stat.rpartition(")")[2].split()[_START_TIME]
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess as error:
        raise ProcessLookupError(pid) from error


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
