"""Runs a program until it ends or until standard input closes: `python keeper.py COMMAND ...`.

llmprof holds the other end of standard input. When llmprof ends, even by SIGKILL, that end closes,
and the program is stopped with all processes that it has started. This is a separate process that
does not import llmprof. The exit code is that of the program, 128 + N for signal N.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

import psutil

# Seconds between asking a process to end and killing it.
_PATIENCE = 10.0
_NOT_FOUND = 127
_NOT_EXECUTABLE = 126
# Of linux/prctl.h.
_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Run the command in the arguments."""
    # Ctrl-C is for llmprof, which then closes standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Orphans of the program become children of this process, where they are found.
    _prctl(_SET_CHILD_SUBREAPER, 1)
    try:
        program = subprocess.Popen(
            sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=_die_with_me
        )
    except OSError as error:
        print(f"cannot start {sys.argv[1]}: {error.strerror}", file=sys.stderr)
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE)
    signal.signal(signal.SIGTERM, lambda number, frame: program.terminate())
    threading.Thread(target=_stop_at_the_end_of_input, args=(program,), daemon=True).start()
    code = program.wait()
    _end_all()
    # The other thread may hold the lock of standard input, which Python's exit needs.
    os._exit(code if code >= 0 else 128 - code)


def _stop_at_the_end_of_input(program: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    program.terminate()
    try:
        program.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        program.kill()


def _end_all() -> None:
    """End remaining processes of the program."""
    left = psutil.Process().children(recursive=True)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, _PATIENCE)
    for process in (*alive, *psutil.Process().children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _die_with_me() -> None:
    """Let the kernel kill the program if this process is killed."""
    _prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
