"""Profilers by name."""

import re
from typing import Any

import pytest
import typer

from llmprof.cli.app import app
from llmprof.errors import UnknownNameError
from llmprof.profilers import ProfilerOptions, create_profiler, parse_profilers, profiler_names
from llmprof.profilers.registry import BUILT_IN, GROUPS


@pytest.mark.parametrize("name", profiler_names())
def test_each_profiler_carries_its_name_and_protocol(name: str) -> None:
    profiler = create_profiler(name, ProfilerOptions())
    assert profiler.name == name
    assert profiler.version
    assert profiler.needs


def test_each_name_counts_once_in_order() -> None:
    assert parse_profilers(" textual,crows_pairs , textual") == ("textual", "crows_pairs")


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_is_its_profilers_each_once(group: str) -> None:
    assert set(GROUPS[group]) <= BUILT_IN.keys()
    assert group not in profiler_names()
    assert parse_profilers(group) == GROUPS[group]
    assert parse_profilers(f"{GROUPS[group][-1]},{group}") == (
        GROUPS[group][-1],
        *GROUPS[group][:-1],
    )


@pytest.mark.parametrize("names", ["", " , ", "nonsense", "textual,nonsense"])
def test_unknown_or_empty_lists_are_refused(names: str) -> None:
    with pytest.raises(UnknownNameError, match=r"crows_pairs.*bias"):
        parse_profilers(names)


def test_the_help_lists_every_profile_and_group() -> None:
    command: Any = typer.main.get_command(app)
    help = next(
        each.help for each in command.commands["profile"].params if each.name == "profilers"
    )
    listed = re.findall(r"[a-z_]+", help.partition(":")[2])
    assert set(listed) == {*profiler_names(), *GROUPS}
