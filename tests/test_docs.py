"""The documentation is true: its commands run, its pages are linked, its help is the command's."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import Done, llmprof

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Made by `docs/write_cli.py`, with usage lines that are no commands.
GENERATED = ROOT / "docs" / "reference" / "cli.md"
SCRIPTS = ["write_cli.py", "write_man.py", "write_recipes.py"]


def blocks(page: Path, language: str) -> list[str]:
    """The contents of the page's fenced blocks in this language."""
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


def commands(page: Path) -> list[str]:
    """The lines that begin with `$ ` in the page's `console` blocks."""
    lines = "".join(blocks(page, "console")).splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")]


def steps(page: Path) -> list[list[str]]:
    """What the page tells to run: each command, then all Python blocks as one script."""
    python = blocks(page, "python")
    script = [[sys.executable, "-c", "\n".join(python)]] if python else []
    return [*(["bash", "-c", command] for command in commands(page)), *script]


TO_RUN = [page for page in PAGES if page != GENERATED and steps(page)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_generated_page_is_up_to_date(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / script, "--check"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_help_page_names_every_environment_variable() -> None:
    sources = "\n".join(
        path.read_text(encoding="utf-8") for path in sorted((ROOT / "llmprof").rglob("*.py"))
    )
    known = set(re.findall(r'"(LLMPROF_[A-Z_]+|[A-Z_]+_API_(?:KEY|URL))"', sources))
    page = GENERATED.read_text(encoding="utf-8").split("## Environment")[1]
    assert {"LLMPROF_DB", "OPENAI_API_KEY"} <= known
    assert sorted(name for name in known if f"`{name}`" not in page) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", TO_RUN, ids=lambda page: page.name)
def test_everything_that_a_page_tells_to_run_runs(
    page: Path, cache_dir: Path, tmp_path: Path
) -> None:
    """With the real default model for the README, and a scripted one for the other pages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LLMPROF_")}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": str(ROOT),
        "LLMPROF_CACHE_DIR": str(cache_dir),
        "HF_HUB_OFFLINE": "1",
    }
    if page.name != "README.md":
        config = tmp_path / "scripted.toml"
        config.write_text('backend = "scripted"\n')
        environment["LLMPROF_CONFIG"] = str(config)
    for step in steps(page):
        if page.name != "README.md" and (arguments := of_one_command(step)) is not None:
            done = llmprof(*arguments, cwd=tmp_path, **environment)
        else:
            done = run(step, tmp_path, environment)
        assert done.returncode == 0, f"{step[-1]}\n{done.stdout}\n{done.stderr}"


def of_one_command(step: list[str]) -> list[str] | None:
    """The arguments of a command of llmprof that needs no shell; None for other steps."""
    if step[0] != "bash":
        return None
    words = shlex.shlex(step[-1], posix=True, punctuation_chars=True)
    words.whitespace_split = True
    program, *arguments = words
    plain = program == "llmprof" and not {"|", "<", ">", ">>", "&&", ";"} & set(arguments)
    return arguments if plain else None


def run(step: list[str], folder: Path, environment: dict[str, str]) -> Done:
    done = subprocess.run(
        step, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[1:]]
    assert [page for page in pages if page not in navigation] == []
