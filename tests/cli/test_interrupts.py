"""Ctrl-C and SIGTERM: the first stops cleanly and says how to resume, the second at once."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.main import get_command

from llmprof.cli.app import app
from llmprof.cli.commands import COMMANDS
from tests.torture.recording import BLOCKING, RECORDED, SECONDS

ROOT = Path(__file__).parents[2]
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Started:
    """A profile of 144 requests that has begun to answer."""

    def __init__(self, folder: Path, seconds: float, *, blocking: bool = False) -> None:
        self.db = folder / "a.db"
        self._record = folder / "record"
        kept = {name: text for name, text in os.environ.items() if not name.startswith("LLMPROF_")}
        self._environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            RECORDED: str(self._record),
            SECONDS: str(seconds),
            **({BLOCKING: "1"} if blocking else {}),
        }
        self.line = [
            *(sys.executable, "-m", "tests.torture.recording", "profile", "--backend", "recording"),
            *("--data", "builtin", "--profilers", "crows_pairs"),
            *("--db", str(self.db), "--cache-dir", str(folder / "cache")),
        ]
        self.process = subprocess.Popen(
            self.line, env=self._environment, stderr=subprocess.PIPE, text=True
        )
        while not self.recorded("asked") and self.process.poll() is None:
            time.sleep(0.01)

    def recorded(self, what: str) -> list[str]:
        lines = self._record.read_text().splitlines() if self._record.exists() else []
        return [line.split()[1] for line in lines if line.startswith(what)]

    def ended(self) -> tuple[int, str]:
        _, stderr = self.process.communicate(timeout=60)
        return self.process.returncode, stderr

    def again(self) -> None:
        """The same line, with a model that is fast."""
        done = subprocess.run(
            self.line, env={**self._environment, SECONDS: "0"}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def status(self) -> str:
        with sqlite3.connect(self.db) as connection:
            ((status,),) = connection.execute("SELECT status FROM runs").fetchall()
        return str(status)


@pytest.mark.parametrize("number", SIGNALS)
def test_once_stops_cleanly_and_says_how_to_go_on(tmp_path: Path, number: int) -> None:
    started = Started(tmp_path, 0.05)
    started.process.send_signal(number)
    code, stderr = started.ended()
    assert code == 130
    assert "answers so far are kept" in stderr
    assert "run the same command to resume" in stderr
    assert "Traceback" not in stderr
    assert started.status() == "interrupted"
    kept = started.recorded("kept")
    started.again()
    assert started.status() == "complete"
    # The answer that was being waited for is asked again; nothing that was kept is.
    again = started.recorded("asked")[len(kept) :]
    assert not set(kept) & set(again[1:])


@pytest.mark.parametrize("number", SIGNALS)
def test_twice_stops_at_once_while_an_answer_cannot_be_interrupted(
    tmp_path: Path, number: int
) -> None:
    started = Started(tmp_path, 3600.0, blocking=True)
    started.process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        started.process.wait(0.3)
    started.process.send_signal(number)
    code, stderr = started.ended()
    assert code == 130
    assert "press again to stop at once" in stderr
    assert "stopped at once" in stderr
    started.again()
    assert started.status() == "complete"


def test_interrupt_before_any_work_is_no_traceback(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; sys.argv = ['llmprof', 'runs']\n"
        "import llmprof.console.listings as terminal\n"
        "terminal.print_runs = lambda db: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from llmprof.cli.start import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 130
    # It asks no model, so there are no answers to speak of, and nothing to resume.
    assert set(done.stderr.splitlines()) <= {
        "llmprof: stopping; press again to stop at once",
        "llmprof: interrupted",
    }
    assert done.stderr.endswith("llmprof: interrupted\n")


def test_commands_that_ask_models_are_known() -> None:
    """Those that have a cache of responses, and are not about the cache itself."""
    asking = {name for name, place in COMMANDS.items() if place.asks}
    group = get_command(app)
    with_cache = set()
    for name in COMMANDS:
        command = group.commands[name]  # type: ignore[attr-defined]
        for each in (command, *getattr(command, "commands", {}).values()):
            if any(parameter.name == "cache_dir" for parameter in each.params):
                with_cache.add(name)
    assert asking == with_cache - {"cache"}


def test_interrupt_during_the_imports_is_no_traceback() -> None:
    script = (
        "import builtins, os, signal, sys; sys.argv = ['llmprof', 'runs']\n"
        "ordinary = builtins.__import__\n"
        "def interrupted(name, *given, **named):\n"
        "    if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "    return ordinary(name, *given, **named)\n"
        "builtins.__import__ = interrupted\n"
        "from llmprof.cli.start import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


def test_second_signal_ends_a_command_that_waits_for_a_thread() -> None:
    script = (
        "import os, signal, sys, threading, time, typer; sys.argv = ['llmprof', 'runs']\n"
        "import llmprof.console.listings as terminal\n"
        "from llmprof.cli.start import main\n"
        "def work(*_):\n"
        "    threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "echo = typer.echo\n"
        # Time enough for the main thread to end before the line is written, were it woken.
        "def slow(text, **options):\n"
        "    time.sleep(1 if 'stopped at once' in text else 0)\n"
        "    echo(text, **options)\n"
        "terminal.print_runs, typer.echo = work, slow\n"
        "main()"
    )
    command = [sys.executable, "-c", script]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while process.stderr.readline() != "llmprof: interrupted\n":
        assert process.poll() is None
    time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped at once\n" in stderr
    assert "Traceback" not in stderr
