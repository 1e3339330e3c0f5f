"""Registries of factories: built-in ones, entry points of other packages, and broken ones."""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import pytest

from llmprof.errors import MissingDependencyError, PluginError, UnknownNameError, UsageError
from llmprof.plugins import Registry


class Thing(Protocol):
    name: str

    @property
    def size(self) -> int: ...

    def grow(self) -> None: ...


# pytest itself is a package with an entry point.
REGISTRY = Registry("thing", "console_scripts", {"ours": "collections.abc:Mapping"}, Thing)


def test_built_in_and_installed_names_are_found_and_imported() -> None:
    assert {"ours", "pytest"} <= set(REGISTRY.names())
    assert REGISTRY.load("ours") is Mapping
    (point,) = entry_points(group="console_scripts", name="pytest")
    assert REGISTRY.load("pytest") is point.load()


def test_built_in_name_wins() -> None:
    shadowed = Registry("thing", "console_scripts", {"pytest": "collections.abc:Mapping"}, Thing)
    assert shadowed.load("pytest") is Mapping
    assert shadowed.names().count("pytest") == 1


def test_unknown_name_is_refused_with_the_choices() -> None:
    for use in (REGISTRY.load, lambda name: REGISTRY.create(name, None)):
        with pytest.raises(UnknownNameError, match=r"unknown thing 'none'; choose one of:.*ours"):
            use("none")


Install = Callable[..., Registry]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a package with this module and entry point."""

    def install(
        module: str, value: str = "broken_thing:Thing", metadata: str = "Name: broken-package"
    ) -> Registry:
        name = f"broken_thing_{abs(hash((module, value, metadata)))}"
        tmp_path.joinpath(f"{name}.py").write_text(module)
        folder = tmp_path / "broken_package-1.0.dist-info"
        folder.mkdir()
        folder.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\n{metadata}\n")
        points = f"[things]\nbroken = {value.replace('broken_thing', name)}\n"
        folder.joinpath("entry_points.txt").write_text(points)
        monkeypatch.syspath_prepend(str(tmp_path))
        return Registry("thing", "things", {"ours": "types:SimpleNamespace"}, Thing)

    return install


BROKEN = (
    "raise RuntimeError('two\\nlines')",
    "import no_such_module",
    "x =",
    "Another = 1",
    "raise SystemExit(3)",
    "def f(): f()\nf()",
)


@pytest.mark.parametrize("module", BROKEN)
def test_a_package_that_cannot_be_imported_is_named(install: Install, module: str) -> None:
    registry = install(module)
    assert registry.names() == ["broken", "ours"]
    with pytest.raises(
        MissingDependencyError, match="'broken' of package 'broken-package'"
    ) as caught:
        registry.create("broken", None)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", ["", ":", "broken_thing:", "no such:thing", "a.b.c:d.e", "[x]"])
@pytest.mark.parametrize("metadata", ["Name: broken-package", "", "Name:"])
def test_damaged_entry_point_is_one_line(install: Install, value: str, metadata: str) -> None:
    with pytest.raises((MissingDependencyError, PluginError, UnknownNameError)) as caught:
        install("", value, metadata).create("broken", None)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("Thing = 3", "TypeError"),
        ("def Thing(): ...", "TypeError"),
        ("def Thing(options): raise KeyError('x\\ny')", "KeyError"),
        ("def Thing(options): raise SystemExit", "SystemExit"),
        ("def Thing(options): return None", "lacks grow, name, size"),
        ("class Thing:\n  name = 'a'\n  def __init__(self, o): ...", "lacks grow, size"),
    ],
)
def test_factory_that_does_not_work_is_named(install: Install, module: str, words: str) -> None:
    with pytest.raises(PluginError, match=words) as caught:
        install(module).create("broken", None)
    assert "'broken' of package 'broken-package'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_error_of_llmprofs_own_passes_through(install: Install) -> None:
    module = "from llmprof.errors import UsageError\ndef Thing(o): raise UsageError('no size')"
    with pytest.raises(UsageError, match="no size"):
        install(module).create("broken", None)


def test_properties_are_not_run_to_find_them(install: Install) -> None:
    module = (
        "class Thing:\n"
        "  def __init__(self, o): self.name = o\n"
        "  @property\n"
        "  def size(self): raise RuntimeError\n"
        "  def grow(self): ...\n"
    )
    registry = install(module)
    assert registry.create("broken", "a").name == "a"
    assert isinstance(Registry.load(registry, "ours"), type(SimpleNamespace))
