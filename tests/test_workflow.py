"""The workflow that the documentation shows runs: each of its steps, in a shell as GitHub's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from tests.test_docs import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "gates.md"


def job() -> dict[str, Any]:
    (workflow,) = blocks(PAGE, "yaml")
    (found,) = yaml.safe_load(workflow)["jobs"].values()
    return dict(found)


COMMANDS = [
    step["run"]
    for step in job()["steps"]
    if "run" in step and not step["run"].startswith("pip install")
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("workflow")
    (made / "llmprof.toml").write_text('backend = "scripted"\nlimit = 20\n')
    return made


def run_step(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A step in the shell that GitHub starts for it, with the job's environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    environment = {
        **kept,
        **job()["env"],
        "GITHUB_ACTIONS": "true",
        "LLMPROF_CACHE_DIR": str(folder / "cache"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip


def test_every_step_runs_and_the_gates_of_the_page_pass(folder: Path) -> None:
    """Others' actions and the installation are left out."""
    (gates,) = blocks(PAGE, "toml")
    (folder / "gates.toml").write_text(gates)
    for command in COMMANDS:
        done = run_step(folder, command)
        assert done.returncode == 0, done.stderr
    assert ElementTree.parse(folder / "results/gates.xml").getroot().attrib["tests"] == "2"


@pytest.mark.parametrize(
    ("gate", "code", "words"),
    [
        ("crows_pairs/stereotype_score < +150", 1, "::error"),
        ("crows_pairs/stereotype_score > 0", 0, "::warning"),
        ("crows_pairs/score > 0", 1, "has no score"),
    ],
)
def test_only_a_gate_that_cannot_tell_is_a_warning(
    folder: Path, gate: str, code: int, words: str
) -> None:
    (folder / "gates.toml").write_text(f'fail-if = ["{gate}"]')
    done = run_step(folder, COMMANDS[-1])
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
