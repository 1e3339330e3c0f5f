"""The structure of the package: names that are used once, files of readable length."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from llmprof.profilers.registry import BUILT_IN

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "llmprof"
FILES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 400
# A package's face, and what every kind of plug-in has.
EVERYWHERE = {"__init__", "protocol", "registry"}
# One module per command, called as the command; one per data set beside one per profile.
COMMANDS = "cli"
MIRRORED = {"datasets", "profilers"}


def test_imports_point_down() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_types_are_right() -> None:
    """With the stubs of the packages installed here: newer ones know more."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "llmprof"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_name_stands_twice() -> None:
    by_name: dict[str, set[str]] = {}
    for file in FILES:
        folders = file.relative_to(PACKAGE).parts[:-1]
        by_name.setdefault(file.stem, set()).add(folders[0] if folders else "")
    counts = Counter(file.stem for file in FILES)
    twice = {
        name
        for name, folders in by_name.items()
        if counts[name] > 1
        and name not in EVERYWHERE
        and not (counts[name] == 2 and (folders == MIRRORED or COMMANDS in folders))
    }
    assert not twice


def test_no_class_name_stands_twice() -> None:
    names = Counter(
        node.name
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert not [name for name, count in names.items() if count > 1]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_file_is_read_in_one_go(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert not text or ast.get_docstring(ast.parse(text))


def test_only_profilers_name_a_profile() -> None:
    """Elsewhere they are found by the registry, so that a new one changes no other file."""
    # A data set is called as its profile; toxicity is what a request is about, too, and a refusal
    # what servers and scorers answer.
    free = {"datasets", "profilers"}
    names = BUILT_IN.keys() - {"refusal", "toxicity"}
    named = {
        (str(file.relative_to(PACKAGE)), node.value)
        for file in FILES
        if file.relative_to(PACKAGE).parts[0] not in free
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert named == {
        ("cli/export.py", "stereoset"),  # The format that the authors' evaluation script reads.
        ("options/profile_options.py", "textual"),  # What is profiled where nothing is said.
    }


def test_sql_names_profiles_that_exist_in_two_files_only() -> None:
    """The recipes and one view may; see docs/decisions/sql-that-names-profiles.md."""
    named = {
        (str(file.relative_to(PACKAGE)), name)
        for pattern in ("*.py", "*.yml")
        for file in PACKAGE.rglob(pattern)
        for name in re.findall(r"\bprofiler = '(\w+)'", file.read_text(encoding="utf-8"))
    }
    assert {file for file, _ in named} == {"results/metadata.yml", "results/schema.py"}
    assert {name for _, name in named} <= BUILT_IN.keys()


def test_the_fuzzer_calls_what_there_is() -> None:
    """It runs by itself, with a package that the tests do not have."""
    fuzzer = ast.parse((ROOT / "tests/torture/fuzz.py").read_text(encoding="utf-8"))
    wanted = [
        (node.module, name.name)
        for node in ast.walk(fuzzer)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmprof")
        for name in node.names
    ]
    assert wanted
    assert not [
        (module, name)
        for module, name in wanted
        if not hasattr(importlib.import_module(str(module)), name)
    ]
