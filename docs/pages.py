"""Keeps a page that is made from the code true: writes it, or with `--check` says whether it is."""

from __future__ import annotations

import sys
from pathlib import Path


def write_or_check(page: Path, text: str) -> None:
    """Write `text` to `page`; with `--check`, exit with an error if that would change it."""
    if "--check" not in sys.argv[1:]:
        page.write_text(text, encoding="utf-8")
    elif page.read_text(encoding="utf-8") != text:
        sys.exit(f"{page} is out of date; run `python docs/{Path(sys.argv[0]).name}`")
