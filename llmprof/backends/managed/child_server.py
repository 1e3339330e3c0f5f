"""A server process started by llmprof, which is monitored and stopped."""

from __future__ import annotations

import atexit
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from llmprof.backends.managed import keeper
from llmprof.backends.managed.program import PORT, filled
from llmprof.errors import BackendError
from llmprof.safe_text import printable

# Only this machine can connect.
HOST = "127.0.0.1"
_ANSWER_SECONDS = 5.0
# Longer than the keeper's own time limits.
_STOP_SECONDS = 30.0
_TAIL_BYTES = 4096
_LONGEST_WORDS = 300
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class ChildServer:
    """Runs `words`, a command line with `{port}`, and detects when it is ready.

    Its output goes to a file in `folder`, which is removed when it is stopped and kept if it exits
    by itself. The keeper process stops it when this process ends for any reason.
    """

    def __init__(self, words: Sequence[str], folder: Path, patience: float) -> None:
        self._words = words
        self._folder = folder
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._began = 0.0
        self._log = folder

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._port}/v1"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; returns at once.

        Raises:
            BackendError: no process can be started, or its output cannot be written.
        """
        self.stop()
        self._port = _free_port()
        self._began = time.monotonic()
        command = filled(self._words, {PORT: str(self._port)})
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._log = self._folder / f"{Path(command[0]).name}-{os.getpid()}-{self._port}.log"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", keeper.__file__, *command],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise BackendError(f"cannot start {command[0]}: {error.strerror}") from error
        atexit.register(self.stop)

    def is_ready(self) -> bool:
        """Whether it is ready.

        Raises:
            BackendError: it has exited, or its time limit is over.
        """
        import httpx

        if not self.is_running:
            raise BackendError(self.how_it_ended("before it was ready"))
        with suppress(httpx.HTTPError):
            answer = httpx.get(f"{self.base_url}/models", timeout=_ANSWER_SECONDS, trust_env=False)
            if answer.is_success and self.is_running:
                return True
        if time.monotonic() - self._began > self._patience:
            self.stop(keep_log=True)
            raise BackendError(
                f"{self._named} does not answer after {self._patience:g} seconds{self._said()}; "
                "wait longer with --server-wait"
            )
        return False

    def how_it_ended(self, when: str) -> str:
        """A one-line message about a server that exited, with the end of its output."""
        code = None if self._process is None else self._process.wait()
        return f"{self._named} ended {when} (exit code {code}){self._said()}"

    @property
    def _named(self) -> str:
        return f"the server {Path(self._words[0]).name}"

    def _said(self) -> str:
        """The last line of its output, and where the rest is."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
            text = _ESCAPES.sub("", log.read().decode("utf-8", "replace"))
            lines = [line.strip() for line in text.splitlines() if line.strip()]
            if lines:
                return f": {printable(lines[-1])[:_LONGEST_WORDS]} (all it said: {self._log})"
        return " without a word"

    def stop(self, *, keep_log: bool = False) -> None:
        """Stop it and all processes that it has started; returns when they are gone."""
        process, self._process = self._process, None
        if process is None:
            return
        atexit.unregister(self.stop)
        ended_itself = process.poll() is not None
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if not ended_itself and not keep_log:
            self._log.unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
