"""The workflow of a public CI runs sessions that there are, on every Python that is supported."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"
NOXFILE = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
JOBS: dict[str, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]


def pythons() -> tuple[str, ...]:
    """The Pythons that the noxfile names."""
    for node in NOXFILE.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PYTHONS":
            return tuple(ast.literal_eval(node.value))
    raise AssertionError("the noxfile names no Pythons")


def sessions() -> set[str]:
    """The names of all sessions, also with a Python where they have several."""
    names = set()
    for node in NOXFILE.body:
        if isinstance(node, ast.FunctionDef):
            marks = " ".join(map(ast.unparse, node.decorator_list))
            if "nox.session" in marks:
                names.add(node.name)
            if "python=PYTHONS" in marks:
                names |= {f"{node.name}-{python}" for python in pythons()}
    return names


@pytest.mark.parametrize("job", sorted(JOBS))
def test_every_step_runs_a_session_that_exists(job: str) -> None:
    matrix = JOBS[job].get("strategy", {}).get("matrix", {})
    chosen = set()
    for step in JOBS[job]["steps"]:
        assert step.keys() & {"uses", "run"}
        if "run" not in step or step["run"] == "python -m pip install nox":
            continue
        found = re.fullmatch(r"python -m nox -s ([^-].*?)(?: -- .*)?", step["run"])
        assert found, step["run"]
        for value in matrix.get("python", [""]):
            chosen |= set(found[1].replace("${{ matrix.python }}", value).split())
    assert chosen and chosen <= sessions()


def test_every_supported_python_is_in_the_matrix() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert tuple(JOBS["tests"]["strategy"]["matrix"]["python"]) == pythons()
    assert project["requires-python"] == f">={pythons()[0]}"


def test_actions_are_named_with_a_version() -> None:
    used = [step["uses"] for job in JOBS.values() for step in job["steps"] if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)
