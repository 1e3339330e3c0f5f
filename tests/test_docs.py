"""The documentation is true: its commands run, its pages are linked, its help is the command's."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Made by `docs/write_cli.py`, with usage lines that are no commands.
GENERATED = ROOT / "docs" / "cli.md"


def commands(page: Path) -> list[str]:
    """The lines that begin with `$ ` in the page's `console` blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.S | re.M)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


WITH_COMMANDS = [page for page in PAGES if page != GENERATED and commands(page)]


def test_help_page_is_what_the_command_says() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "write_cli.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_every_command_of_a_page_runs(page: Path, cache_dir: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LLMPROF_CACHE_DIR": str(cache_dir),
        "HF_HUB_OFFLINE": "1",
    }
    for command in commands(page):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_readme_leads_to_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = [page for page in PAGES[1:] if page.parent.name == "docs"]
    missing = [page.name for page in pages if f"docs/{page.name}" not in readme]
    assert missing == []
