"""Writes docs/cli.md from the command line's own help; `--check` only says whether it is true."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

PAGE = Path(__file__).parent / "cli.md"


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
        return output.read_text(encoding="utf-8")


def main() -> None:
    page = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PAGE} is out of date; run `python docs/write_cli.py`")


if __name__ == "__main__":
    main()
