"""Reads TOML files: configurations, gates, recipes and label maps."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_LARGEST_BYTES = 256 * 1024
# Python's parser keeps every beginning of a dotted key: 20,000 dots take gigabytes.
_MOST_DOTS = 1_000


def read_toml(file: Path) -> dict[str, Any]:
    """The values of a TOML file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not UTF-8, not TOML, nested too deeply, or larger than any that people
            write.
    """
    content = file.read_bytes()
    if len(content) > _LARGEST_BYTES:
        raise ValueError(f"it is larger than {_LARGEST_BYTES // 1024} KiB")
    text = content.decode("utf-8").replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_DOTS:
            raise ValueError(f"line {number} has more than {_MOST_DOTS:,} dots")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
