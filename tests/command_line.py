"""Runs the command line in this process, where torch and transformers are imported once."""

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple
from unittest.mock import patch

import huggingface_hub.constants  # noqa: F401  (reads its variables once: before --offline)

from llmprof.cli.app import main


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def llmprof(*arguments: object) -> Done:
    """Run `llmprof ARGUMENTS`; what is about signals or the environment wants a process."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with (
        patch.dict(os.environ),  # --offline sets a variable for all that is imported later
        patch.object(sys, "argv", ["llmprof", *map(str, arguments)]),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            main()
        except SystemExit as ended:
            return Done(int(ended.code or 0), stdout.getvalue(), stderr.getvalue())
    raise AssertionError("the command line ends with an exit code")
