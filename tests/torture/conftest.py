"""How much torture: a taste in the suite, all of it in the nox session `torture`."""

import os

import pytest


@pytest.fixture(scope="session")
def times() -> int:
    """How many times as much as in the suite."""
    return int(os.environ.get("LLMPROF_TORTURE", "1"))
