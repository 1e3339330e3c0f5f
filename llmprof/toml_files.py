"""Reads TOML files: configurations, gates, recipes and label maps."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_MOST_CHARACTERS = 256 * 1024
# Python's parser keeps every beginning of a dotted key: 20,000 dots take gigabytes.
_MOST_DOTS = 1_000


def read_toml(file: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8, not TOML, nested too deeply, or larger than any that people
            write.
    """
    text = file.read_text(encoding="utf-8")
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it has more than {_MOST_CHARACTERS:,} characters")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS:
            raise ValueError(f"line {number} has more than {_MOST_DOTS:,} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
