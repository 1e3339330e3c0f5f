"""Writes docs/cli.md from the command line's own help; `--check` only says whether it is true."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from pages import write_or_check

PAGE = Path(__file__).parent / "cli.md"
_TAIL = """\
## Environment

| variable | what |
|---|---|
| `LLMPROF_DB` | results database, as `--db` |
| `LLMPROF_CACHE_DIR` | folder of cached responses, as `--cache-dir` |
| `LLMPROF_DATA_DIR` | folder of data sets, as `--data-dir` |
| `LLMPROF_CONFIG` | configuration file, as `--config` |
| `OPENAI_API_KEY`, `CO_API_KEY`, `PERSPECTIVE_API_KEY` | keys of [providers](backends.md) |
| `CO_API_URL` | address of Cohere's API |
| `HF_TOKEN`, `HF_HOME`, … | those of the Hub's client |

An option goes before its variable, and a variable before the configuration file.

## Files

| file | what |
|---|---|
| `llmprof.toml` | values of options by their long names, read where llmprof is started |
| `llmprof.db` | [results](results.md), in SQLite; made where llmprof is started |
| the user's cache folder | [responses](results.md#the-cache-of-responses) and converted models |

## Exit status

| code | meaning |
|---|---|
| 0 | done |
| 1 | the work failed: one line on standard error says what was wrong and what to do |
| 2 | the command was asked for something that does not exist or makes no sense |
| 130 | interrupted; the same line again goes on |

Results go to standard output; progress, notes and errors to standard error.
"""


def render() -> str:
    """The page as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "cli.md"
        arguments = ("--name", "llmprof", "--title", "The command line", "--output", str(output))
        subprocess.run(
            [sys.executable, "-m", "typer", "llmprof.cli.app", "utils", "docs", *arguments],
            check=True,
            capture_output=True,
        )
        return output.read_text(encoding="utf-8").rstrip("\n") + "\n\n" + _TAIL


if __name__ == "__main__":
    write_or_check(PAGE, render())
