"""llmprof with a slow model that records its work: `python -m tests.torture.recording profile`.

`RECORDED` names a file that gets a line `asked KEY` before each answer and `kept KEY` when it is
durable; `SECONDS` is how long an answer takes, `WINDOW` how many requests a profile's window has.
Whoever reads the file sees whether anything that was kept was ever asked again, by any process.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence

import anyio

from llmprof.backends import BackendOptions, Sink, registry
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.jobs import windows
from llmprof.requests import Request

NAME = "recording"
RECORDED = "LLMPROF_TEST_RECORDED"
SECONDS = "LLMPROF_TEST_SECONDS"
BLOCKING = "LLMPROF_TEST_BLOCKING"
WINDOW = "LLMPROF_TEST_WINDOW"


class RecordingBackend(ScriptedBackend):
    """Answers one request at a time; with `BLOCKING`, in a thread that nothing can interrupt."""

    def __init__(self, options: BackendOptions) -> None:
        super().__init__(default_script, model=options.model or NAME)
        self._seconds = float(os.environ.get(SECONDS, "0"))

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for index, request in enumerate(requests):
            key = hashlib.sha256(repr(request).encode(errors="replace")).hexdigest()
            if os.environ.get(BLOCKING):
                await anyio.to_thread.run_sync(self._block, key)
            else:
                record("asked", key)
                await anyio.sleep(self._seconds)
            await sink.deliver([(index, default_script(request))])
            record("kept", key)

    def _block(self, key: str) -> None:
        record("asked", key)
        time.sleep(self._seconds)


def record(what: str, key: str) -> None:
    """Add a line in one write, so that a kill cannot tear it."""
    if file := os.environ.get(RECORDED):
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, f"{what} {key} {os.getpid()}\n".encode())
        os.close(descriptor)


def create(options: BackendOptions) -> RecordingBackend:
    windows.REQUESTS_AT_ONCE = int(os.environ.get(WINDOW, windows.REQUESTS_AT_ONCE))
    return RecordingBackend(options)


def main() -> None:
    from llmprof.cli.start import main as llmprof

    registry.BUILT_IN[NAME] = "tests.torture.recording:create"
    llmprof()


if __name__ == "__main__":
    sys.exit(main())
