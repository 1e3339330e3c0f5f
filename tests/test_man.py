"""The man page tells all that `--help` does, and what it shows can be copied to a shell."""

import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_app import COMMANDS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "llmprof.1").read_text(encoding="utf-8")
SECTIONS = (
    *("NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXAMPLES"),
    *("ENVIRONMENT", "FILES", "EXIT STATUS", "SEE ALSO"),
)
REQUESTS = {
    *(".TH", ".SH", ".SS", ".PP", ".TP", ".B", ".I", ".BR", ".RI"),
    *(".RS", ".RE", ".EX", ".EE", ".PD", ".nh", ".ad", ".ss"),
}
MEANT = {
    **{r"\-": "-", r"\e": "\\", r"\(aq": "'", r"\(dq": '"', r"\(ha": "^", r"\(ti": "~"},
    **{r"\(lq": "\u201c", r"\(rq": "\u201d", r"\[u2026]": "\u2026"},
}


def seen(line: str) -> str:
    """What a reader sees of a line of the page."""
    without_fonts = re.sub(r"\\f[BIR]|\\&|\\\|", "", line)
    return re.sub(r"\\(?:\[\w+\]|\(..|.)", lambda escape: MEANT[escape[0]], without_fonts)


LINES = {seen(line) for line in PAGE.splitlines() if not line.startswith(".")}


def test_sections_are_those_of_man_pages() -> None:
    assert tuple(re.findall(r"^\.SH (.*)$", PAGE, re.M)) == SECTIONS


def test_nothing_is_taken_for_a_request_or_changed_by_the_typesetter() -> None:
    body = PAGE.split("\n", 1)[1]
    assert {line.split()[0] for line in body.splitlines() if line[0] in ".'"} <= REQUESTS
    assert body.isascii()
    assert re.findall(r".*(?<!\\)-.*", body) == []
    assert re.findall(r".*['^~`].*", body) == []


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_its_options_and_examples(path: tuple[str, ...]) -> None:
    command: Any = COMMANDS[path]
    about = inspect.cleandoc(command.help)
    summary, _, examples = about.partition("\n\n")[0], *about.partition("\n\nExamples:\n\n")[1:]
    for example in filter(None, map(str.strip, examples.splitlines())):
        assert example in LINES
    own = [each for each in command.params if each.name != "help"]
    if path and own:
        # A plain hyphen would be typeset as one.
        name = " ".join(path).replace("-", r"\-")
        assert rf".B {name}" in PAGE
        assert summary in LINES
        assert f'.SS "llmprof {name} ' in PAGE
    for each in own:
        name = each.opts[0] if each.param_type_name == "option" else each.metavar
        assert re.search(rf"^(-\w, )?{re.escape(name)}( |$)", "\n".join(LINES), re.M), name


def test_man_page_is_installed_where_man_looks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    shared = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert shared == {"docs/llmprof.1": "share/man/man1/llmprof.1"}
