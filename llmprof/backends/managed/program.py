"""Command lines of servers: their placeholders, and the name and version of the engine."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmprof.errors import BackendError, UsageError

PORT, MODEL, GGUF, REVISION = "{port}", "{model}", "{gguf}", "{revision}"
# `vllm --version` imports torch; `uvx` may have to install vLLM first.
_VERSION_SECONDS = 1800
# Finds the distribution of an installed command with the command's own interpreter.
_FIND_DISTRIBUTION = """
import sys
from importlib.metadata import entry_points
for each in entry_points(group="console_scripts", name=sys.argv[1]):
    print(each.dist.name, each.dist.version)
"""


def words_of(command: str) -> list[str]:
    """The words of a command line, as a shell splits it.

    >>> words_of("llama-server -m {gguf} --port {port}")
    ['llama-server', '-m', '{gguf}', '--port', '{port}']

    Raises:
        UsageError: it is empty, or a quote is not closed.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--server-command {command!r}: {error}; check its quotes") from error
    if not words:
        raise UsageError("--server-command is empty; give the command that starts a server")
    return words


def filled(words: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """The words with placeholders replaced; other braces are kept."""
    found = []
    for word in words:
        for placeholder, value in values.items():
            word = word.replace(placeholder, value)
        found.append(word)
    return found


def find_program(name: str) -> Path:
    """The file that a command starts.

    Raises:
        UsageError: there is no such program.
    """
    path = shutil.which(name)
    if path is None:
        raise UsageError(f"there is no program {name!r}; install it, or give its path")
    return Path(path)


def engine_of(words: Sequence[str]) -> dict[str, str]:
    """Name and version of the program that a command line starts.

    `words` end where the program's own arguments begin: `["vllm"]` or `["uvx", "vllm"]`. A command
    installed with a Python package has the name and version of the package. Of any other the
    version is what `--version` prints, or the SHA-256 of its file.

    Raises:
        UsageError: there is no such program.
        BackendError: a program that gets another one, such as uvx, fails.
    """
    file = find_program(words[0])
    if len(words) == 1 and (found := _distribution(file)):
        return found
    printed = _printed_version([str(file), *words[1:]])
    if printed is None and len(words) > 1:
        raise BackendError(
            f"{shlex.join(words)} --version fails, so that the version is not known; run it "
            "yourself to see why"
        )
    with file.open("rb") as content:
        version = printed or hashlib.file_digest(content, "sha256").hexdigest()
    return {"engine": Path(words[-1]).name, "version": version}


def _distribution(file: Path) -> dict[str, str] | None:
    with file.open("rb") as content:
        first = content.readline(1024)
    if not first.startswith(b"#!") or b"python" not in first:
        return None
    interpreter = first[2:].decode(errors="replace").strip()
    lines = _output([interpreter, "-P", "-c", _FIND_DISTRIBUTION, file.name])
    if not lines:
        return None
    name, version = lines[0].rsplit(" ", 1)
    return {"engine": name, "version": version}


def _printed_version(command: Sequence[str]) -> str | None:
    for line in _output([*command, "--version"]):
        if any(character.isdigit() for character in line):
            return line
    return None


def _output(command: Sequence[str]) -> list[str]:
    """The lines that a command prints; none if it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_VERSION_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]
