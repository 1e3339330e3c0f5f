"""Profilers by name."""

import pytest

from llmprof.errors import UnknownNameError
from llmprof.profilers import ProfilerOptions, create_profiler, parse_profilers, profiler_names


@pytest.mark.parametrize("name", profiler_names())
def test_each_profiler_carries_its_name_and_protocol(name: str) -> None:
    profiler = create_profiler(name, ProfilerOptions())
    assert profiler.name == name
    assert profiler.version
    assert profiler.needs


def test_each_name_counts_once_in_order() -> None:
    assert parse_profilers(" textual,crows_pairs , textual") == ("textual", "crows_pairs")


@pytest.mark.parametrize("names", ["", " , ", "nonsense", "textual,nonsense"])
def test_unknown_or_empty_lists_are_refused(names: str) -> None:
    with pytest.raises(UnknownNameError, match="crows_pairs"):
        parse_profilers(names)
