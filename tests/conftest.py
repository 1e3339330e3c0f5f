"""Real data and the real small model."""

import os
import signal
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from tests.needed import leave_out, summary

# A first call may import for seconds, and no test is about time. The same commit tries the same
# examples everywhere, so that it passes or fails everywhere; a torture session looks for new ones.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("new", deadline=None, print_blob=True)
settings.load_profile("new" if "LLMPROF_TORTURE" in os.environ else "same")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests were left out, and what they need."""
    for line in summary(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C works as on a command line; workers of pytest-xdist, and their children, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; tests that need it are left out without it."""
    folder = os.environ.get("LLMPROF_DATA_DIR")
    if not folder:
        leave_out("set LLMPROF_DATA_DIR to the folder of real data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def converted_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the default model, converted once for all workers of pytest-xdist."""
    from llmprof.backends.huggingface.model_files import find_model

    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(folder / "converting.lock"):
        find_model(None, revision=None, offline=True, cache_dir=folder / "converted")
    return folder / "converted" / "models"


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory, converted_models: Path) -> Path:
    """A cache folder that all tests of a worker share, with the converted default model."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "models").symlink_to(converted_models)
    return folder


@pytest.fixture
def fresh_cache(converted_models: Path, tmp_path: Path) -> Path:
    """An empty cache of responses beside the converted default model."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "models").symlink_to(converted_models)
    return folder
