"""The configuration file: defaults under the environment and the command line."""

import sqlite3
from pathlib import Path

import pytest

from tests.cli.test_app import run

CONFIG = """
backend = "scripted"
data = "builtin"
profilers = "crows_pairs"
limit = 3
db = "from_file.db"
cache-dir = "cache"
quiet = true
"""


def items(db: Path) -> int:
    with sqlite3.connect(db) as connection:
        return int(connection.execute("SELECT count(*) FROM samples").fetchone()[0])


def test_file_in_the_working_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "llmprof.toml").write_text(CONFIG)
    done = run("profile", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert items(tmp_path / "from_file.db") == 3


def test_one_file_serves_every_command(tmp_path: Path) -> None:
    (tmp_path / "llmprof.toml").write_text(CONFIG + 'toxicity-scorer = "scripted"\n')
    (tmp_path / "texts.txt").write_text("one\ntwo\nthree\nfour\n")
    assert run("profile", cwd=tmp_path).returncode == 0
    done = run("score", "texts.txt", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
    assert items(tmp_path / "from_file.db") == 3 + 3


def test_command_line_wins_over_environment_over_file(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(CONFIG)
    done = run("profile", "--config", file, "--limit", 2, cwd=tmp_path, LLMPROF_DB="by_name.db")
    assert done.returncode == 0, done.stderr
    assert items(tmp_path / "by_name.db") == 2
    assert not (tmp_path / "from_file.db").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("limit = ", "is not TOML"),
        ("bogus = 1", "unknown option 'bogus'"),
        ("limit = 'many'", "limit"),
        ("[profile]\nlimit = 1", "unknown option 'profile'"),
        (b"\xff\xfe", "cannot read"),
    ],
)
def test_broken_file_is_one_clear_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    file = tmp_path / "llmprof.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run("profile", "--backend", "scripted", cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("option", ["--rpm", "--timeout", "--perspective-qps"])
def test_number_that_is_none_is_refused(tmp_path: Path, option: str, value: str) -> None:
    done = run("profile", "--backend", "scripted", option, value, cwd=tmp_path)
    assert done.returncode == 2
    assert option in done.stderr
