"""Runs the command line in this process, where torch and transformers are imported once."""

import io
import os
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import huggingface_hub.constants  # noqa: F401  (reads its variables once: before --offline)

from llmprof.cli.start import main

_OF_THE_SUITE = ("LLMPROF_DATA_DIR", "HF_HUB_OFFLINE")


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def llmprof(*arguments: object, cwd: Path | None = None, **environment: str) -> Done:
    """Run `llmprof ARGUMENTS` in a folder; what is about signals or imports wants a process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    kept = {name: value for name, value in os.environ.items() if name not in _OF_THE_SUITE}
    with (
        chdir(cwd or Path.cwd()),
        # --offline sets a variable for all that is imported later.
        patch.dict(os.environ, {**kept, **environment}, clear=True),
        patch.object(sys, "argv", ["llmprof", *map(str, arguments)]),
        patch.object(sys, "stdin", io.StringIO()),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as ended:
            return Done(int(ended.code or 0), stdout.getvalue(), stderr.getvalue())
    raise AssertionError("the command line ends with an exit code")
