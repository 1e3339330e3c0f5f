"""Options of any value are taken or refused in one clear line, never with a traceback."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.exceptions import Exit, TyperException
from typer.main import get_command

from llmprof.cli.app import app
from llmprof.errors import LlmprofError
from tests.command_line import llmprof as run

# What a command would do for very long, or to other files, if it were let.
_LEFT_OUT = {"help", "db", "cache_dir", "config", "include_path", "output", "toxicity_samples"}
VALUES = st.sampled_from(
    [
        "",
        " ",
        "0",
        "-1",
        "1",
        "nan",
        "inf",
        "-inf",
        "1e400",
        "9" * 30,
        "auto",
        "a,b",
        ",",
        "🙂",
        "x" * 9999,
    ]
) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def option_names(command: str) -> list[str]:
    group = get_command(app)
    parameters = group.commands[command].params  # type: ignore[attr-defined]
    return [
        name
        for each in parameters
        if each.param_type_name == "option" and each.name not in _LEFT_OUT and not each.is_flag
        for name in each.opts
        if name.startswith("--")
    ]


def call(arguments: Sequence[object]) -> object:
    """What the command line's `main` does, in this process."""
    try:
        return get_command(app)(list(map(str, arguments)), standalone_mode=False)
    except (LlmprofError, TyperException, Exit) as error:
        assert str(error) or isinstance(error, Exit)
        return None


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chosen=st.lists(
        st.tuples(st.sampled_from(option_names("profile")), VALUES), min_size=1, max_size=3
    )
)
def test_options_of_profile(chosen: list[tuple[str, str]], tmp_path: Path) -> None:
    fixed = ("--backend", "scripted", "--data", "builtin", "--profilers", "crows_pairs")
    place = ("--db", tmp_path / "a.db", "--cache-dir", tmp_path / "cache", "--quiet", "--offline")
    call(["profile", *fixed, "--limit", "2", *place, *(word for pair in chosen for word in pair)])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    query=VALUES | st.sampled_from(["SELECT x'00ff'", "SELECT 9e999", "SELECT 1; SELECT 2", ";"])
)
@pytest.mark.parametrize("format", ["table", "csv", "json"])
def test_queries(query: str, format: str, tmp_path: Path) -> None:
    db = ("--db", tmp_path / "a.db")
    if not (tmp_path / "a.db").exists():
        fixed = ("--backend", "scripted", "--data", "builtin", "--profilers", "crows_pairs")
        call(["profile", *fixed, "--limit", "2", *db, "--cache-dir", tmp_path, "--quiet"])
    call(["sql", query, *db, "--format", format])
    call(["report", query, *db])
    call(["verify", query, *db])


def test_argument_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    done = run("sql", "SELECT '\udcff'", "--db", tmp_path / "a.db")
    assert done.returncode == 2
    assert "is not UTF-8" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("seed", [-(2**70), 2**63, 10**30])
def test_seed_beyond_64_bits_is_refused(seed: int, tmp_path: Path) -> None:
    done = run(
        *("profile", "--backend", "scripted", "--data", "builtin", "--profilers", "crows_pairs"),
        *("--limit", 1, "--db", tmp_path / "a.db", "--cache-dir", tmp_path, f"--seed={seed}"),
    )
    assert done.returncode == 2
    assert "--seed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
