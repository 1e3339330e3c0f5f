"""Text of models, servers and file names steers no terminal, no rich markup and no spreadsheet."""

import csv
import io
import json
import sqlite3
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from llmprof.cli.messages import print_error
from llmprof.console.listings import print_query
from llmprof.console.progress import show_progress
from llmprof.console.tables import print_rows, print_table
from llmprof.errors import LlmprofError
from llmprof.ledger import Progress
from llmprof.report.build import build_report
from llmprof.report.tabular import to_csv, to_json
from llmprof.report.terminal_report import print_report
from llmprof.safe_text import printable, printable_json, spreadsheet_cell
from tests.report.databases import add_run, pairs

# A clipboard write (OSC 52), colours, a change of direction, markup, half of a surrogate pair.
HOSTILE = "\x1b]52;c;cHduZWQ=\x07 \x1b[31m \x9b31m \u202edesrever\u2066 [bold red]x[/] \ud83d"


def steers(text: str, allowed: str = "\n") -> bool:
    return any(
        unicodedata.category(each) in ("Cc", "Cf", "Cs") and each not in allowed for each in text
    )


@given(st.text() | st.just(HOSTILE))
def test_printable_text_steers_nothing_and_plain_text_is_as_it_was(text: str) -> None:
    assert not steers(printable(text))
    if not steers(text):
        assert printable(text) == text


@given(st.text() | st.just(HOSTILE), st.booleans())
def test_printable_json_steers_nothing_and_has_the_same_content(text: str, ascii: bool) -> None:
    line = printable_json(json.dumps({"text": text}, ensure_ascii=ascii))
    assert not steers(line)
    assert json.loads(line) == {"text": text}


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-a", "@SUM(A1)", "\t=1", "\r=1", "=\x1b[1m"])
def test_formulas_are_texts_in_a_sheet(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert isinstance(cell, str)
    assert cell.startswith("'")
    assert not steers(cell, "\n\t\r")


@pytest.mark.parametrize("value", ["-1.5", "+2e-3", "-.5", -3, 2.5, None, b"=1", "a = b", "1=1"])
def test_numbers_and_plain_texts_are_left_alone_in_a_sheet(value: object) -> None:
    assert spreadsheet_cell(value) == value


def test_tables_titles_and_names_of_columns_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table([f"c {HOSTILE}"], [[HOSTILE]], title=HOSTILE)
    shown = capsys.readouterr().out
    assert not steers(shown)
    assert shown.count("[bold red]x[/]") == 3


def test_errors_and_progress_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(LlmprofError(f"server said {HOSTILE}"))
    with show_progress(quiet=False) as listen:
        listen(HOSTILE, Progress(1, 1, failed=1, failures={"HTTP400": HOSTILE}))
    shown = capsys.readouterr().err
    assert not steers(shown)
    assert shown.count("[bold red]x[/]") >= 3


@pytest.fixture
def db(tmp_path: Path) -> Path:
    db = tmp_path / "a.db"
    add_run(db, "model", pairs([1.0, 0.0]), status="failed", error="error")
    name = f"={HOSTILE}".replace("\ud83d", "")
    with closing(sqlite3.connect(db)) as connection, connection:
        connection.execute("UPDATE runs SET model = ?, error = ?", (name, name))
        for table in ("run_datasets", "metrics", "samples"):
            connection.execute(f"UPDATE {table} SET dataset = ?", (name,))
    return db


def test_reports_of_hostile_names_steer_nothing(db: Path) -> None:
    report = build_report(db, [], None)
    text = io.StringIO()
    print_report(report, Console(file=text, width=160))
    assert not steers(text.getvalue())
    assert "[bold red]x[/]" in text.getvalue()
    assert not steers(to_json(report))
    table = to_csv(report)
    assert not steers(table)
    first = next(csv.DictReader(io.StringIO(table)))
    assert first["model"].startswith("'=")
    assert first["dataset"].startswith("'=")


def test_query_as_csv_holds_no_formula_and_as_json_every_column(
    db: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_query(db, "SELECT model, seed, '-1' AS n FROM runs", "csv")
    (row,) = list(csv.reader(io.StringIO(capsys.readouterr().out)))[1:]
    assert row[0].startswith("'=")
    assert row[1:] == ["0", "-1"]
    print_query(db, "SELECT r.id, s.id, s.run_id AS id_2 FROM runs r, samples s LIMIT 1", "json")
    (found,) = json.loads(capsys.readouterr().out)
    assert list(found) == ["id", "id_3", "id_2"]
    assert found["id"] == found["id_2"] != found["id_3"]


def test_json_of_equal_names_keeps_every_value(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(["n", "n", "n_2", "n"], [[1, 2, 3, 4]], "json")
    (found,) = json.loads(capsys.readouterr().out)
    assert sorted(found.values()) == [1, 2, 3, 4]
