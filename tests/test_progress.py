"""How progress is shown where the output is no terminal."""

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
