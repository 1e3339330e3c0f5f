"""Values of any type in any column: every reading command shows them or refuses in one line."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from typer.main import get_command

from llmprof.cli.app import app
from llmprof.errors import LlmprofError
from tests.report.databases import add_run, pairs
from tests.test_safe_text import steers

TABLES = ("runs", "run_datasets", "metrics", "samples")
# A text where a number belongs, bytes, a number where a text belongs, infinity, and a terminal's
# own commands.
VALUES = ("'text'", "x'fffe'", "12", "9e999", "'\x1b]52;c;eA==\x07'", "'[1]'", "NULL")
COMMANDS = (
    ("report", "--format", "json"),
    ("report",),
    ("runs",),
    ("compare", "m0", "m1"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    db = tmp_path_factory.mktemp("results") / "a.db"
    for number in range(2):
        add_run(db, f"m{number}", pairs([1.0, float(number)]))
    return db


def columns(db: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(db)) as connection:
        for table in TABLES:
            for row in connection.execute(f"PRAGMA table_info({table})"):
                yield table, row[1]


def harmed(whole: Path, folder: Path, table: str, column: str, value: str) -> Path | None:
    """A copy with this value in the column; None where SQLite itself refuses it."""
    db = folder / "harmed.db"
    db.unlink(missing_ok=True)
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(db)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA ignore_check_constraints = ON")
        try:
            copy.execute(f'UPDATE {table} SET "{column}" = {value}')
        except sqlite3.IntegrityError:
            return None
        copy.commit()
    return db


def test_any_value_is_shown_or_refused_in_one_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tried = 0
    for place, (table, column) in enumerate(columns(whole)):
        for value in (VALUES[0], VALUES[1], VALUES[place % len(VALUES)]):
            db = harmed(whole, tmp_path, table, column, value)
            # One command for each harm, so that this stays short; all of them over the columns.
            command = COMMANDS[tried % len(COMMANDS)]
            tried += 1
            if db is not None:
                try:
                    get_command(app)([*command, "--db", str(db)], standalone_mode=False)
                except LlmprofError as error:
                    assert len(str(error).splitlines()) == 1, (table, column, value)
            assert not steers(capsys.readouterr().out), (table, column, value)
    assert tried > 100


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE metrics SET value = 'high'",
        "UPDATE metrics SET ci_low = 9e999",
        "UPDATE metrics SET n = x'00'",
        "UPDATE run_datasets SET n_items = 'many'",
        "UPDATE runs SET model = x'fffe'",
        "UPDATE runs SET started_at = 'yesterday'",
        "UPDATE runs SET config = json_set(config, '$.identity', 3)",
        "UPDATE samples SET response = x'fffe'",
        'UPDATE samples SET scores = \'{"another": "text"}\'',
    ],
)
def test_the_database_is_named(whole: Path, tmp_path: Path, harm: str) -> None:
    db = tmp_path / "harmed.db"
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(db)) as copy:
        source.backup(copy)
        copy.execute(harm)
        copy.commit()
    with pytest.raises(LlmprofError, match=r"restore it from a copy|see `llmprof verify"):
        get_command(app)(["compare", "m0", "m1", "--db", str(db)], standalone_mode=False)


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    for name in ("a.db", "a.jsonl", "cache", "prompts.txt", "r.json"):
        os.symlink(name, tmp_path / name)
    base = ("profile", "--backend", "scripted", "--data", "builtin", "--limit", "1", "--quiet")
    db, cache = ("--db", str(tmp_path / "b.db")), ("--cache-dir", str(tmp_path / "c"))
    for line in (
        (*base, "--profilers", "seat", "--db", str(tmp_path / "a.db"), *cache),
        (*base, "--profilers", "seat", *db, "--cache-dir", str(tmp_path / "cache")),
        (*base, "--profilers", "textual", "--text-dataset", str(tmp_path / "prompts.txt"), *db),
        ("report", "--db", str(tmp_path / "a.db")),
        ("score", str(tmp_path / "prompts.txt"), "--toxicity-scorer", "scripted", *db, *cache),
        ("select", "--backend", "scripted", "--models", "m", "--target", "n_characters", *db,
         "--data", "builtin", "--output", str(tmp_path / "a.jsonl"), *cache),
    ):  # fmt: skip
        with pytest.raises(LlmprofError) as caught:
            get_command(app)(list(line), standalone_mode=False)
        assert len(str(caught.value).splitlines()) == 1
