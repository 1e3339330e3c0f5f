"""Makers by name: built-in ones, entry points of other packages, and clear refusals."""

from collections.abc import Mapping
from importlib.metadata import entry_points

import pytest

from llmprof.errors import UnknownNameError
from llmprof.plugins import Registry

# pytest itself is a package with an entry point.
REGISTRY = Registry("thing", "console_scripts", {"ours": "collections.abc:Mapping"})


def test_built_in_and_installed_names_are_found_and_imported() -> None:
    assert {"ours", "pytest"} <= set(REGISTRY.names())
    assert REGISTRY.load("ours") is Mapping
    (point,) = entry_points(group="console_scripts", name="pytest")
    assert REGISTRY.load("pytest") is point.load()


def test_built_in_name_wins() -> None:
    shadowed = Registry("thing", "console_scripts", {"pytest": "collections.abc:Mapping"})
    assert shadowed.load("pytest") is Mapping
    assert shadowed.names().count("pytest") == 1


def test_unknown_name_is_refused_with_the_choices() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown thing 'none'; choose one of:.*ours"):
        REGISTRY.load("none")
