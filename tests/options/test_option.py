"""Options are declared once: their ranges hold in Python, and the command line follows them."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import llmprof
from llmprof.cli import completion
from llmprof.cli.app import app
from llmprof.errors import UnknownNameError, UsageError
from llmprof.options import (
    BackendOptions,
    BenchmarkOptions,
    DataOptions,
    Option,
    Options,
    ProfileOptions,
    ProfilerOptions,
    ScoreOptions,
    SelectOptions,
    backend_options,
    declared,
    part,
)

COMMANDS: dict[str, type[Options]] = {
    "profile": ProfileOptions,
    "benchmark": BenchmarkOptions,
    "score": ScoreOptions,
    "select": SelectOptions,
}
REQUIRED: dict[type[Options], dict[str, Any]] = {
    ScoreOptions: {"sources": ["texts.txt"]},
    SelectOptions: {"output": Path("a.jsonl"), "target": "mtld"},
}
ALL = [
    pytest.param(group, name, option, id=f"{group.__name__}-{name}")
    for group in COMMANDS.values()
    for name, option in declared(group).items()
]
NUMBERS = [each for each in ALL if each.values[2].is_number]  # type: ignore[union-attr]
CHOICES = [each for each in ALL if each.values[2].choices]  # type: ignore[union-attr]


def make(group: type[Options], **values: Any) -> Options:
    return group(**{**REQUIRED.get(group, {}), **values})


def parameter(command: str, name: str) -> Any:
    group: Any = typer.main.get_command(app)
    (found,) = (each for each in group.commands[command].params if each.name == name)
    return found


@pytest.mark.parametrize(("group", "name", "option"), NUMBERS)
def test_range_holds_in_python(group: type[Options], name: str, option: Option) -> None:
    wrong = [math.nan, math.inf]
    wrong += [] if option.low is None else [option.low - 1]
    wrong += [] if option.high is None else [option.high + 1]
    for value in wrong:
        with pytest.raises(UsageError, match=f"{name} is "):
            make(group, **{name: value})
    for value in (option.low, option.high):
        if value is not None:
            assert getattr(make(group, **{name: value}), name) == value


@pytest.mark.parametrize(("group", "name", "option"), CHOICES)
def test_choices_hold_in_python(group: type[Options], name: str, option: Option) -> None:
    with pytest.raises(UnknownNameError, match=f"unknown .* 'none such'.*{option.choices[0]}"):
        make(group, **{name: "none such"})
    for value in option.choices:
        assert getattr(make(group, **{name: value}), name) == value


@pytest.mark.parametrize("command", COMMANDS)
def test_command_line_has_what_is_declared(command: str) -> None:
    for name, option in declared(COMMANDS[command]).items():
        shown = parameter(command, name)
        before, _, after = option.help.partition("{names}")
        assert shown.help.startswith(before) and shown.help.endswith(after)
        assert (shown.param_type_name == "argument") == option.is_argument
        if option.is_argument:
            continue
        assert shown.opts == list(option.flags or [f"--{name.replace('_', '-')}"])
        assert shown.envvar == option.variable
        assert shown.rich_help_panel == option.panel
        if option.default_text is not None:
            assert shown.default == option.default_text


@pytest.mark.parametrize(("group", "name", "option"), ALL)
def test_completion_exists(group: type[Options], name: str, option: Option) -> None:
    assert option.completion is None or callable(getattr(completion, option.completion))


def test_one_name_is_one_option_wherever_it_stands() -> None:
    seen: dict[str, Any] = {}
    for group in (BackendOptions, DataOptions, ProfilerOptions, *COMMANDS.values()):
        for name, option in declared(group).items():
            if name not in {"limit", "metrics", "seed", "output", "text_dataset"}:
                assert seen.setdefault(name, option) == option, name


def test_new_option_of_a_group_reaches_the_code_that_reads_it() -> None:
    """Nothing between a command and its backend or profiler names the options."""
    given = ProfileOptions("m", dtype="fp16", rpm=3.0, layer=4, limit=5)
    told = backend_options(given, Path("cache"), given.model)
    assert told.cache_dir == Path("cache")
    for name in declared(BackendOptions):
        assert getattr(told, name) == getattr(given, name)
    assert part(ProfilerOptions, given) == ProfilerOptions(layer=4)
    assert part(DataOptions, given) == DataOptions(limit=5)


def test_python_is_told_of_a_keyword_that_does_not_exist() -> None:
    with pytest.raises(TypeError, match="'nonsense'"):
        llmprof.profile(nonsense=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        llmprof.profile("m", "textual")  # type: ignore[call-arg, arg-type]


def test_options_need_the_standard_library_alone() -> None:
    script = (
        "import sys; before = set(sys.modules); import llmprof.options\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)))"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONPATH": root}
    )
    assert done.stdout.strip() == "['llmprof']", done.stderr
