"""Real data and the real small model."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; a test that needs it fails without it."""
    folder = os.environ.get("LLMPROF_DATA_DIR")
    assert folder, "set LLMPROF_DATA_DIR to the folder of real data sets"
    return Path(folder)
