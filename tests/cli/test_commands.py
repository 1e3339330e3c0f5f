"""The list of commands, and that a start imports no more than it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

from llmprof.cli.app import app
from llmprof.cli.commands import COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_help_of_a_command_says(name: str) -> None:
    import typer

    group = typer.main.get_command(app)
    help_text = group.commands[name].help  # type: ignore[attr-defined]
    assert help_text.splitlines()[0] == COMMANDS[name].summary


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        (["--help"], ["llmprof.options", "llmprof.cli.profile", "llmprof.cli.report"]),
        (["sql", "--help"], ["llmprof.cli.profile", "llmprof.cli.select"]),
    ],
    ids=["list", "command"],
)
def test_help_imports_no_other_command(arguments: list[str], others: list[str]) -> None:
    script = (
        f"import sys; sys.argv = ['llmprof', *{arguments!r}]\n"
        "from llmprof.cli.start import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        f"print([name for name in {others!r} if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
