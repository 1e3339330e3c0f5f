"""How progress is shown, on a terminal and elsewhere."""

import os
import pty
import subprocess
import sys

import pytest

from llmprof.engine import Progress
from llmprof.progress import show_progress


def test_log_lines_tell_start_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=False) as listen:
        listen("textual on d", Progress(4))
        listen("textual on d", Progress(4, done=2, cached=2))
        listen("textual on d", Progress(4, done=4, cached=2, failed=1, retries=3))
    assert capsys.readouterr().err.splitlines() == [
        "textual on d: 0/4 done, 0 cached, 0 failed, 0 retries",
        "textual on d: 4/4 done, 2 cached, 1 failed, 3 retries",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=True) as listen:
        listen("textual on d", Progress(1, done=1))
    assert capsys.readouterr() == ("", "")


def test_a_terminal_shows_that_something_happens_before_there_is_anything_to_count() -> None:
    script = """
from llmprof.engine import Progress
from llmprof.progress import show_progress
with show_progress(quiet=False) as listen:
    input()
    listen("textual on d", Progress(4, done=4))
"""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=inside, text=True
    )
    os.close(inside)
    before = b""
    while b"preparing" not in before:
        before += os.read(terminal, 1024)
    process.communicate("\n", timeout=60)
    assert process.returncode == 0
    after = b""
    while b"textual on d" not in after:
        after += os.read(terminal, 1024)
    os.close(terminal)
    assert b"preparing" not in after.rpartition(b"textual on d")[2]
