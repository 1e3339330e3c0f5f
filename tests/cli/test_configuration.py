"""Configuration files: whose they are, what they may set, and what wins over what."""

from __future__ import annotations

import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from llmprof.cli.configuration import read_configuration
from llmprof.options import COMMAND_OPTIONS, declared
from tests.command_line import llmprof as run

ROOT = Path(__file__).parents[2]
CONFIG = """
backend = "scripted"
data = "builtin"
profilers = "crows_pairs"
limit = 3
db = "from_file.db"
cache-dir = "cache"
quiet = true
"""
SENSITIVE = {
    name: option
    for group in COMMAND_OPTIONS
    for name, option in declared(group).items()
    if option.sensitive
}


def profile(
    folder: Path, *arguments: object, own: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `llmprof profile`; `own` is the user's own configuration file."""
    home = folder / "home"
    (home / "llmprof").mkdir(parents=True, exist_ok=True)
    if own is not None:
        (home / "llmprof" / "llmprof.toml").write_text(own)
    environment = {"XDG_CONFIG_HOME": str(home), **environment}
    return run("profile", *arguments, cwd=folder, **environment)


def items(db: Path) -> int:
    with sqlite3.connect(db) as connection:
        return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])


def test_file_in_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "llmprof.toml").write_text(CONFIG)
    done = profile(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert items(tmp_path / "from_file.db") == 3


def test_screen_says_which_files_were_read(tmp_path: Path) -> None:
    (tmp_path / "llmprof.toml").write_text(CONFIG.replace("quiet = true", ""))
    done = profile(tmp_path, own="seed = 3")
    own = tmp_path / "home" / "llmprof" / "llmprof.toml"
    assert done.stderr.splitlines()[0] == f"llmprof: read options from {own} and llmprof.toml"
    assert "read options" not in profile(tmp_path, "--quiet").stderr


def test_one_file_serves_every_command(tmp_path: Path) -> None:
    (tmp_path / "llmprof.toml").write_text(CONFIG + 'toxicity-scorer = "scripted"\n')
    (tmp_path / "texts.txt").write_text("one\ntwo\nthree\nfour\n")
    assert profile(tmp_path).returncode == 0
    done = run("score", "texts.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert items(tmp_path / "from_file.db") == 3 + 3


def test_command_line_wins_over_environment_over_file_over_the_users_own(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(CONFIG)
    done = profile(
        *(tmp_path, "--config", file, "--limit", 2),
        own='limit = 9\ndb = "own.db"\nprofilers = "bbq"\n',
        LLMPROF_DB="by_name.db",
    )
    assert done.returncode == 0, done.stderr
    assert items(tmp_path / "by_name.db") == 2
    assert not (tmp_path / "from_file.db").exists()
    assert not (tmp_path / "own.db").exists()


def test_table_of_a_command_wins_over_what_is_for_all(tmp_path: Path) -> None:
    tables = "[profile]\nlimit = 2\n[benchmark]\nlimit = 1\nnum-fewshot = 0\n"
    (tmp_path / "llmprof.toml").write_text(CONFIG + tables)
    assert profile(tmp_path).returncode == 0
    assert items(tmp_path / "from_file.db") == 2


@pytest.mark.parametrize("table", ["dtype = 'bf16'\n", "[bridge]\n"])
def test_file_serves_a_command_of_a_group_too(tmp_path: Path, table: str) -> None:
    line = ("bridge", "fit", "profanity", "--output", "b.json", "--quiet")
    (tmp_path / "llmprof.toml").write_text(
        f"{table}reference = 'none.jsonl'\n[profile]\nlimit = 1\n"
    )
    done = run(*line, cwd=tmp_path)
    assert "none.jsonl" in done.stderr
    assert "configuration file" not in done.stderr
    (tmp_path / "llmprof.toml").write_text("[bridge]\nseed = 1")
    assert "unknown option of bridge 'seed'" in run(*line, cwd=tmp_path).stderr


def test_list_is_written_as_a_list(tmp_path: Path) -> None:
    lists = CONFIG.replace('"crows_pairs"', '["crows_pairs", "bbq"]')
    (tmp_path / "llmprof.toml").write_text(lists)
    assert profile(tmp_path).returncode == 0
    with sqlite3.connect(tmp_path / "from_file.db") as connection:
        found = connection.execute("SELECT DISTINCT profiler FROM samples").fetchall()
    assert {name for (name,) in found} == {"crows_pairs", "bbq"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("limit = ", "is not TOML"),
        ("bogus = 1", "unknown option 'bogus'; choose from: "),
        ('max_new_token = "s"', "unknown option 'max_new_token'; did you mean max_new_tokens"),
        ("[profile]\nlayr = 1", "unknown option of profile 'layr'; did you mean layer"),
        ("[profile]\nnum-fewshot = 1", "unknown option of profile 'num_fewshot'"),
        ("[profiles]\nlimit = 1", "unknown table 'profiles'; did you mean profile"),
        ("limit = 'many'", "limit"),
        ("limit = true", "llmprof.toml: limit takes a value, not true"),
        ("model = false", "llmprof.toml: model takes a value, not false"),
        ("limit = 2.5", "--limit"),
        ("quiet = 3", "--quiet"),
        ("dtype = 'bf'", "'--dtype': unknown dtype 'bf'; choose one of: auto, "),
        ("limit = [1, 2]", "limit takes one value"),
        ("[profile.limit]\na = 1", "limit takes one value"),
        ("config = 'other.toml'", "unknown option 'config'"),
        (b"\xff\xfe", "cannot read"),
    ],
)
def test_broken_file_is_one_clear_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    file = tmp_path / "llmprof.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = profile(tmp_path, "--backend", "scripted")
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_example_of_the_documentation_works(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "configuration.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", page, re.S | re.M)
    file = tmp_path / "example.toml"
    file.write_text(example)
    place = ("--backend", "scripted", "--data", "builtin", "--db", "a.db", "--cache-dir", "cache")
    done = profile(tmp_path, "--config", file, *place, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "textual" in done.stdout and "crows_pairs" in done.stdout
    named = re.findall(r"`([a-z-]+)`", page.split("These options are")[1])
    assert named == sorted(name.replace("_", "-") for name in SENSITIVE)


def test_what_runs_code_or_sends_data_is_marked() -> None:
    assert SENSITIVE.keys() >= {
        *("adapter", "allow_pickle", "base_url", "confirm_run_unsafe_code", "include_path"),
        *("output", "perspective_url", "trust_remote_code"),
    }


@pytest.mark.parametrize("table", ["", "[{}]\n"])
@pytest.mark.parametrize("name", SENSITIVE)
def test_sensitive_option_counts_only_from_a_file_that_the_user_chose(
    tmp_path: Path, name: str, table: str
) -> None:
    command = next(
        each.__name__.removesuffix("Options").lower()
        for each in COMMAND_OPTIONS
        if name in declared(each)
    )
    text = f"{table.format(command)}{name.replace('_', '-')} = 'x'\n"
    (tmp_path / "llmprof.toml").write_text(text)
    done = profile(tmp_path, "--backend", "scripted")
    assert done.returncode == 2
    assert f"llmprof.toml of the current folder may not set {name}: " in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("chosen", ["named", "named by the environment", "own"])
def test_file_that_the_user_chose_may_set_everything(tmp_path: Path, chosen: str) -> None:
    text = CONFIG + "allow-pickle = true\ntrust-remote-code = true\nbase-url = 'http://[::1'\n"
    file = tmp_path / "mine.toml"
    file.write_text(text)
    own = text if chosen == "own" else None
    named = ("--config", file) if chosen == "named" else ()
    variable = {"LLMPROF_CONFIG": str(file)} if chosen == "named by the environment" else {}
    # The address is not one: that it is complained of shows that it counts.
    done = profile(tmp_path, *named, "--backend", "openai", own=own, **variable)
    assert "may not set" not in done.stderr
    assert "[::1" in done.stderr


def test_nothing_is_read_for_the_shells_completion(tmp_path: Path, monkeypatch: Any) -> None:
    class Context:
        resilient_parsing = True

    (tmp_path / "llmprof.toml").write_text("nonsense")
    monkeypatch.chdir(tmp_path)
    context: Any = Context()
    assert read_configuration(context, None) == ()


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("option", ["--rpm", "--timeout", "--perspective-qps"])
def test_number_that_is_none_is_refused(tmp_path: Path, option: str, value: str) -> None:
    done = run("profile", "--backend", "scripted", option, value, cwd=tmp_path)
    assert done.returncode == 2
    assert option in done.stderr
