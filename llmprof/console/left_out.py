"""What is left out of a comparison, said below a table or beside an output for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO

from llmprof.report.contents import Omission
from llmprof.safe_text import printable


def print_left_out(omissions: Iterable[Omission], to: TextIO | None = None) -> None:
    """Print a line for each, once: to `to`, or as messages to standard error."""
    for each in dict.fromkeys(omissions):
        line = f"left out: {each.what}: {each.why}"
        if to is None:
            print(printable(f"llmprof: {line}"), file=sys.stderr)
        else:
            print(printable(line), file=to)
