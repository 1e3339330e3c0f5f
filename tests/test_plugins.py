"""Makers by name: built-in ones, entry points of other packages, and clear refusals."""

from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from llmprof.errors import MissingDependencyError, UnknownNameError
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


BROKEN = ("raise RuntimeError('two\\nlines')", "import no_such_module", "x =", "Another = 1")


@pytest.mark.parametrize("module", BROKEN)
def test_a_package_that_cannot_be_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    tmp_path.joinpath("broken_thing.py").write_text(module)
    metadata = tmp_path / "broken_package-1.0.dist-info"
    metadata.mkdir()
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: broken-package\n")
    metadata.joinpath("entry_points.txt").write_text("[things]\nbroken = broken_thing:Thing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry("thing", "things", {})
    assert registry.names() == ["broken"]
    with pytest.raises(
        MissingDependencyError, match="'broken' of package 'broken-package'"
    ) as caught:
        registry.load("broken")
    assert len(str(caught.value).splitlines()) == 1
