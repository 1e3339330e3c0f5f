"""Profilers by name."""

import re

import pytest

from llmprof.errors import UnknownNameError
from llmprof.options import ProfileOptions
from llmprof.options.option import declared
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


def test_the_help_lists_every_built_in_profile_and_group() -> None:
    help = declared(ProfileOptions)["profilers"].help
    listed = set(re.findall(r"\b[a-z_]+\b", help.partition(":")[2]))
    assert {*BUILT_IN, *GROUPS} <= listed
