"""Tests that lack something are skipped, counted and named, or fail where all are required."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = """
def test_on_real_data(data_dir): pass
def test_on_real_data_too(data_dir): pass
def test_on_none(): pass
"""


@pytest.mark.parametrize(
    ("set_variables", "code", "words"),
    [
        ({}, 0, "2 tests left out: set LLMPROF_DATA_DIR to the folder of real data sets"),
        ({"LLMPROF_DATA_DIR": "."}, 0, "3 passed"),
        ({"LLMPROF_REQUIRE_ALL": "1"}, 1, "(LLMPROF_REQUIRE_ALL is 1)"),
    ],
    ids=["fresh", "data", "required"],
)
def test_what_is_left_out(
    tmp_path: Path, set_variables: dict[str, str], code: int, words: str
) -> None:
    root = Path(__file__).parents[1]
    (tmp_path / "test_it.py").write_text(TEST)
    unset = ("LLMPROF_DATA_DIR", "LLMPROF_REQUIRE_ALL")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
            *("--import-mode=importlib", str(tmp_path / "test_it.py")),
        ],
        cwd=root,
        env={**environment, **set_variables, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout
    assert words in done.stdout
