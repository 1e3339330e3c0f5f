"""How progress is shown, on a terminal and elsewhere."""

import contextlib
import logging
import os
import pty
import re
import subprocess
import sys

import pytest

from llmprof.console.progress import show_progress
from llmprof.ledger import Progress


def test_log_lines_tell_start_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=False) as listen:
        listen("textual on d", Progress(4))
        listen("textual on d", Progress(4, done=2, cached=2))
        listen("textual on d", Progress(4, done=4, cached=2, failed=1, retries=3))
    assert capsys.readouterr().err.splitlines() == [
        "textual on d: 0/4 done, 0 cached, 0 failed, 0 retries",
        "textual on d: 4/4 done, 2 cached, 1 failed, 3 retries",
    ]


def test_answers_cut_to_the_models_context_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=False) as listen:
        listen("textual on d", Progress(2, done=2, truncated=1, shortened=2))
    assert capsys.readouterr().err.endswith(
        "0 failed, 0 retries, 1 prompts cut, 2 answers shortened\n"
    )


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(quiet=True) as listen:
        listen("textual on d", Progress(1, done=1))
    assert capsys.readouterr() == ("", "")


def test_what_takes_long_at_the_start_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    log = logging.getLogger("llmprof.somewhere")
    with show_progress(quiet=False):
        log.info("llmprof: converting %s", "a\x1b[31m.gguf")
    with show_progress(quiet=True):
        log.info("llmprof: converting it again")
    log.info("nobody listens")
    assert capsys.readouterr().err == "llmprof: converting a\\x1b[31m.gguf\n"


def test_a_terminal_shows_that_something_happens_before_there_is_anything_to_count() -> None:
    shown = on_a_terminal("""
from llmprof.ledger import Progress
from llmprof.console.progress import show_progress
with show_progress(quiet=False) as listen:
    input()
    listen("textual on d", Progress(4, done=4))
""")
    assert b"textual on d" in shown
    assert b"preparing" not in shown.rpartition(b"textual on d")[2]


def test_nothing_is_prepared_any_more_when_an_error_is_told() -> None:
    shown = on_a_terminal("""
import sys
from llmprof.console.progress import show_progress
try:
    with show_progress(quiet=False):
        input()
        raise ValueError
except ValueError:
    print("error", file=sys.stderr)
""")
    # The line is erased last, after it was drawn last.
    assert shown.rpartition(b"preparing")[2].count(b"\x1b[2K") > 0
    assert shown.rstrip().endswith(b"error")


@pytest.mark.parametrize(
    ("news", "left"),
    [
        # The model is loaded for 20 s; half of what follows repeats what was asked.
        (
            [(0, 0, 0), (20, 10, 0), (30, 60, 25), (40, 160, 75), (60, 400, 200), (90, 1000, 500)],
            ["", "", "3:08 left", "1:24 left", "0:50 left", "took 1:30"],
        ),
        # Most is cached, and counted before anything is asked.
        ([(0, 900, 900), (5, 900, 900), (15, 910, 900), (25, 930, 900)], ["", "", "", "0:35 left"]),
        # One answer is no speed.
        ([(0, 0, 0), (10, 500, 0), (20, 500, 0)], ["", "", ""]),
    ],
)
def test_time_left_is_told_from_the_answers_after_the_first(
    news: list[tuple[float, int, int]],
    left: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = [0.0]
    monkeypatch.setattr("llmprof.console.progress.time.monotonic", lambda: 1000 + clock[0])
    with show_progress(quiet=False) as listen:
        for place, (now, done, cached) in enumerate(news):
            clock[0] = now
            capsys.readouterr()
            listen("seat on d", Progress(1000, done=done, cached=cached))
            # Lines come every ten seconds at most.
            if line := capsys.readouterr().err:
                found = re.search(r"[\d:]+ left|took [\d:]+", line)
                assert (found[0] if found else "") == left[place]


def on_a_terminal(script: str) -> bytes:
    """What a script shows on a terminal that is told to go on once something is prepared."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stderr=inside, text=True
    )
    os.close(inside)
    shown = b""
    while b"preparing" not in shown:
        shown += os.read(terminal, 1024)
    process.communicate("\n", timeout=60)
    assert process.returncode == 0
    with contextlib.suppress(OSError):
        # At its end a terminal that nobody holds open raises EIO.
        while more := os.read(terminal, 1024):
            shown += more
    os.close(terminal)
    return shown


def test_first_message_of_each_class_of_failure_is_shown_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress(quiet=False) as listen:
        for failed in (1, 2):
            listen(
                "a on d", Progress(2, failed, failed=failed, failures={"HTTP400": "no \x1b[31m"})
            )
        listen("a on d", Progress(2, 2, failed=2, failures={"Late": "slow", "HTTP400": "other"}))
    lines = [line for line in capsys.readouterr().err.splitlines() if "request failed" in line]
    assert lines == [
        r"a on d: request failed (HTTP400: no \x1b[31m)",
        "a on d: request failed (Late: slow)",
    ]


def test_advice_is_shown_once_when_a_model_has_to_be_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with show_progress(quiet=False, advice="be quick") as listener:
        listener("textual", Progress(3, done=2, cached=2))
        assert "be quick" not in capsys.readouterr().err
        listener("textual", Progress(3, done=3, cached=2))
        listener("crows_pairs", Progress(3, done=3))
    assert capsys.readouterr().err.count("llmprof: be quick\n") == 1
    with show_progress(quiet=True, advice="be quick") as listener:
        listener("textual", Progress(3, done=3))
    assert capsys.readouterr().err == ""


def test_no_number_is_broken_at_80_columns() -> None:
    shown = on_a_terminal("""
import os, time
os.environ["COLUMNS"] = "80"
from llmprof.console.progress import show_progress
from llmprof.ledger import Progress
with show_progress(quiet=False) as listen:
    input()
    for done in (1, 100, 200):
        now = Progress(200, done=done, cached=1, failed=1, truncated=12, tokens=done * 900)
        listen("toxicity on real_toxicity_prompts", now)
        listen("toxicity on real_toxicity_prompts scoring", Progress(200, done=done, retries=3))
        time.sleep(0.6)
""")
    last = shown.decode().rpartition("toxicity on real_toxicity_prompts")[0]
    for whole in ("200/200", "1 cached", "12 prompts", "3 retries", "took 0:0", "all 2 parts took"):
        assert whole in shown.decode().replace("\r\n", "\n"), whole
    assert "…" not in last
