"""Real data and the real small model."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A first call may import for seconds, and no test is about time.
settings.register_profile("llmprof", deadline=None)
settings.load_profile("llmprof")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C works as on a command line; workers of pytest-xdist, and their children, ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; a test that needs it fails without it."""
    folder = os.environ.get("LLMPROF_DATA_DIR")
    assert folder, "set LLMPROF_DATA_DIR to the folder of real data sets"
    return Path(folder)


@pytest.fixture(scope="session")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder that all tests share, so that the default model is converted once."""
    from llmprof.backends.huggingface.model_files import find_model

    folder = tmp_path_factory.mktemp("cache")
    find_model(None, revision=None, offline=True, cache_dir=folder)
    return folder


@pytest.fixture
def fresh_cache(cache_dir: Path, tmp_path: Path) -> Path:
    """An empty cache of responses beside the converted default model."""
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "models").symlink_to(cache_dir / "models")
    return folder
