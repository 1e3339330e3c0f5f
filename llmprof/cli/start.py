"""Starts the `llmprof` command: what must come before its imports, which take a while."""

from __future__ import annotations

import io
import os
import signal
import sys


def main() -> None:
    """Run the command line; see `llmprof.cli.app.run`."""
    _complete_streams()
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        # Nothing is done during the imports, so that Ctrl-C may end the process at once. A
        # KeyboardInterrupt in one of them would show a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from llmprof.cli.app import run

    run()


def _complete_streams() -> None:
    """Open streams that are closed, and let output show what its encoding lacks as an escape."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # In this order, each gets its own number, which the next file would get otherwise.
            # It stays open until the end.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
