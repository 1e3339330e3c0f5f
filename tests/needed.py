"""What some tests need that a fresh machine lacks: without it they are skipped, and counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import NoReturn

import pytest

REQUIRE_ALL = "LLMPROF_REQUIRE_ALL"
_MARK = "left out: "


def leave_out(reason: str) -> NoReturn:
    """Skip the test, or fail it where `LLMPROF_REQUIRE_ALL` is 1; the reason says what to do."""
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{reason} ({REQUIRE_ALL} is 1)", pytrace=False)
    pytest.skip(_MARK + reason)


def summary(skipped: Iterable[pytest.TestReport]) -> list[str]:
    """A line for each reason, with how many tests it left out."""
    reasons = Counter(
        each.longrepr[2].split(_MARK, 1)[1]
        for each in skipped
        if isinstance(each.longrepr, tuple) and _MARK in each.longrepr[2]
    )
    lines = [f"{count} tests left out: {reason}" for reason, count in sorted(reasons.items())]
    return [*lines, f"{REQUIRE_ALL}=1 makes them fail instead"] if lines else []
