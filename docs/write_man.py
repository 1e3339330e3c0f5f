"""Writes docs/llmprof.1 from the command line's help; `--check` only says whether it is true."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import typer
from pages import write_or_check
from reference import ENVIRONMENT, EXIT_STATUS, FILES, PRECEDENCE, STREAMS
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption
from typer.main import get_command

from llmprof import __version__
from llmprof.cli.app import app

PAGE = Path(__file__).parent / "llmprof.1"
_DESCRIPTION = (
    "llmprof measures what a language model is like: how it writes, how toxic it gets at worst, "
    "which stereotypes it prefers, whether it knows what it knows, how good it is. A model is a "
    "Hub id, a local folder, a GGUF file, or a name that a provider gives to one.",
    "Every response is kept in a cache, so nothing is asked twice: after an interruption, the same "
    "command resumes where it stopped. Results are kept in an SQLite database.",
)
_SHARED = "Options of several commands"
# Fewer than this, and the option is described where it is used.
_SEVERAL = 3
# One way to write an option or several, and its value.
_FLAGS = re.compile(r"([^\s,]+(?:, [^\s,]+)*) ?(.*)", re.S)
_ESCAPES = {"\\": r"\e", "-": r"\-", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti", '"': r"\(dq"}


@dataclass(frozen=True)
class Entry:
    """An argument or option."""

    name: str
    value: str
    text: str
    panel: str | None = None


@dataclass(frozen=True)
class Command:
    """What the help of a command says."""

    call: str
    usage: str
    summary: str
    details: tuple[str, ...]
    examples: tuple[str, ...]
    arguments: tuple[Entry, ...]
    options: tuple[Entry, ...]


def commands(command: TyperCommand | TyperGroup, call: str = "llmprof") -> Iterator[Command]:
    """This command and all below it, groups before what is in them."""
    context = typer.Context(command, info_name=call)
    prose, _, examples = inspect.cleandoc(command.help or "").partition("\n\nExamples:\n\n")
    summary, *details = prose.split("\n\n")
    yield Command(
        call=call,
        usage=re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(context))),
        summary=summary,
        details=tuple(details),
        examples=tuple(filter(None, map(str.strip, examples.splitlines()))),
        arguments=tuple(_entries(command, context, TyperArgument)),
        options=tuple(_entries(command, context, TyperOption)),
    )
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{call} {name}")


def _entries(
    command: TyperCommand | TyperGroup,
    context: typer.Context,
    kind: type[TyperArgument] | type[TyperOption],
) -> Iterator[Entry]:
    is_root = context.info_name == "llmprof"
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        # `--help` is the same everywhere: said once, of llmprof itself.
        if not isinstance(parameter, kind) or record is None:
            continue
        if parameter.name != "help" or is_root:
            names, value = cast(re.Match[str], _FLAGS.match(record[0])).groups()
            shown = value.strip("<>") if kind is TyperOption else ""
            yield Entry(names, shown, record[1], parameter.rich_help_panel)


def roff(text: str) -> str:
    """A text or command as man pages write it; links and code as Markdown has them."""
    plain = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", " ".join(text.split()))
    escaped = "".join(_ESCAPES.get(each, each) for each in plain)
    ascii_only = re.sub(r"[^\x00-\x7f]", lambda found: f"\\[u{ord(found[0]):04X}]", escaped)
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", ascii_only)


def _fill(text: str) -> str:
    lines = textwrap.wrap(text, 80, break_long_words=False, break_on_hyphens=False)
    # A dot that begins a line would make it a request.
    return "\n".join(rf"\&{line}" if line.startswith(".") else line for line in lines)


def _tagged(tag: str, text: str) -> str:
    return f".TP\n{tag}\n{_fill(roff(text))}"


def _entry(entry: Entry, tag: str = "B") -> str:
    value = rf" \fI{roff(entry.value)}\fR" if entry.value else ""
    return _tagged(rf"\f{tag}{roff(entry.name)}\fR{value}", entry.text)


def _table(rows: Mapping[str, str]) -> Iterator[str]:
    return (_tagged(roff(name), text) for name, text in rows.items())


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    return (f".PP\n{_fill(roff(text))}" for text in texts)


def _section(command: Command, shared: set[Entry]) -> Iterator[str]:
    """What `command` does, its arguments, and the options that it does not share."""
    own = [option for option in command.options if option not in shared]
    also = sorted(roff(option.name) for option in command.options if option in shared)
    yield rf'.SS "{roff(command.call)} \fR\fI{roff(command.usage)}\fR"'
    yield from _paragraphs([command.summary, *command.details])
    yield from (_entry(argument, "I") for argument in command.arguments)
    yield from map(_entry, own)
    if also:
        names = r"\fR, \fB".join(also)
        yield ".PP\n" + _fill(f"Also \\fB{names}\\fR: see \\(lq{_SHARED}\\(rq.")


def _shared_sections(shared: Iterable[Entry]) -> Iterator[str]:
    panels: dict[str | None, list[Entry]] = {None: []}
    for option in shared:
        panels.setdefault(option.panel, []).append(option)
    for panel, options in panels.items():
        yield f'.SS "{roff(": ".join(filter(None, [_SHARED, panel])))}"'
        yield from map(_entry, options)


def _examples(every: Iterable[Command]) -> Iterator[str]:
    seen: set[str] = set()
    for command in every:
        new = [example for example in command.examples if example not in seen]
        seen.update(new)
        if new:
            yield f".PP\n{roff(command.summary)}\n.PP\n.RS 2\n.EX"
            yield from map(roff, new)
            yield ".EE\n.RE"


def _lines() -> Iterator[str]:
    root, *every = commands(cast(TyperGroup, get_command(app)))
    # A group that takes nothing itself is its commands.
    complete = [command for command in every if command.arguments or command.options]
    uses = Counter(option for command in complete for option in command.options)
    shared = [option for option, count in uses.items() if count >= _SEVERAL]
    name = root.summary.partition(":")[0]
    yield '.\\" Made by docs/write_man.py from the help of the commands; change that instead.'
    yield f'.TH LLMPROF 1 "" "llmprof {__version__}" "User Commands"'
    # No hyphens and no wider spaces of the typesetter's in what a reader may copy.
    yield ".nh\n.ad l\n.ss 12 0"
    yield f".SH NAME\nllmprof \\- {roff(name[0].lower() + name[1:])}"
    yield ".SH SYNOPSIS\n.B llmprof\n.I COMMAND\n.RI [ OPTIONS ].\\|.\\|."
    yield ".SH DESCRIPTION"
    yield from _paragraphs(_DESCRIPTION)
    yield ".SH COMMANDS\n.PD 0"
    for command in complete:
        name = command.call.removeprefix("llmprof ")
        yield f".TP 18\n.B {roff(name)}\n{roff(command.summary)}"
    yield ".PD\n.SH OPTIONS"
    yield from map(_entry, root.options)
    for command in complete:
        yield from _section(command, set(shared))
    yield from _shared_sections(shared)
    yield ".SH EXAMPLES"
    yield from _examples([root, *complete])
    yield ".SH ENVIRONMENT"
    yield from _table(ENVIRONMENT)
    yield from _paragraphs([PRECEDENCE])
    yield ".SH FILES"
    yield from _table(FILES)
    yield ".SH EXIT STATUS"
    yield from _table(EXIT_STATUS)
    yield from _paragraphs([STREAMS])
    yield ".SH SEE ALSO\n.BR sqlite3 (1)"
    yield from _paragraphs(["`llmprof` COMMAND `--help` shows all options of one command."])


def render() -> str:
    """The page as it should be."""
    page = "\n".join(_lines()) + "\n"
    # The first paragraph of a section needs no request.
    return re.sub(r"^(\.S[HS] .*\n)\.PP\n", r"\1", page, flags=re.M)


if __name__ == "__main__":
    write_or_check(PAGE, render())
