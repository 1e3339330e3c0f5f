"""Rows printed for people and for programs."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.console.tables import print_rows
from llmprof.errors import UnknownNameError
from llmprof.safe_text import printable

COLUMNS = ["metric", "value"]
ROWS = [("a [bold]x[/bold]", 1.5), ("b\x1b[2J,\"'", None)]


def test_csv_and_json_come_back(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(COLUMNS, ROWS, "json")
    assert json.loads(capsys.readouterr().out) == [
        dict(zip(COLUMNS, row, strict=True)) for row in ROWS
    ]
    print_rows(COLUMNS, ROWS, "csv")
    read = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert read == [COLUMNS, ["a [bold]x[/bold]", "1.5"], ["b\\x1b[2J,\"'", ""]]


def test_table_shows_markup_as_it_is_and_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_rows(COLUMNS, ROWS)
    shown = capsys.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert "\x1b[2J" not in shown


def test_unknown_format_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="table, csv, json"):
        print_rows(COLUMNS, ROWS, "xml")


@given(st.text(alphabet=st.characters()))
def test_printable_text_cannot_steer_a_terminal(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not any(character < " " and character != "\n" for character in shown)
    assert not set(shown) & set("\x7f\x9b\u202e\u2066")
