"""Starts llmprof many times without paying for its imports each time."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmprof.jobs.benchmark.tasks import prepare_process
from tests.torture import recording

# What a fork inherits ready made; none of these starts a thread.
_PRELOADED: tuple[str, ...] = (
    "llmprof.jobs.profile",
    "llmprof.jobs.benchmark.evaluate",
    "llmprof.console.listings",
    "llmprof.profilers.crows_pairs",
    "scipy.stats",
    "sqlite_utils",
)
_FOR_BENCHMARKS = ("lm_eval.evaluator", "lm_eval.tasks", "datasets", "torch")


class Process:
    """One run of the command line in a fork of this process; its output goes to `output`."""

    def __init__(
        self, arguments: Sequence[object], output: Path, environment: Mapping[str, str]
    ) -> None:
        _preload(benchmark=arguments[0] == "benchmark")
        self.output = output
        self._code: int | None = None
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become(list(map(str, arguments)), output, environment)

    def kill(self) -> bool:
        """Whether the process was still there to be killed."""
        if self.poll() is not None:
            return False
        os.kill(self.pid, signal.SIGKILL)
        return self.wait() == -signal.SIGKILL

    def poll(self) -> int | None:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code

    def wait(self, seconds: float = 120.0) -> int:
        deadline = time.monotonic() + seconds
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                os.kill(self.pid, signal.SIGKILL)
                raise TimeoutError(f"still running after {seconds} s: {self.output.read_text()}")
            time.sleep(0.002)
        return code


def run(arguments: Sequence[object], output: Path, environment: Mapping[str, str]) -> str:
    """Run to the end; fails unless the exit code is 0. Returns what was printed."""
    code = Process(arguments, output, environment).wait()
    printed = output.read_text()
    assert code == 0, printed
    return printed


def _preload(*, benchmark: bool) -> None:
    if benchmark:
        # lm-eval and the packages below it read their settings when they are first imported.
        prepare_process(offline=True)
    for module in (*_PRELOADED, *(_FOR_BENCHMARKS if benchmark else ())):
        __import__(module)


def _become(arguments: list[str], output: Path, environment: Mapping[str, str]) -> None:
    """Turn a fork into the command line; never returns."""
    code = 1
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        os.environ.update(environment)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["llmprof", *arguments]
        recording.main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
