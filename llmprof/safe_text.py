"""Escape text of models, servers and file names for terminals, JSON and spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

# Control characters, invisible formatting characters (among them those that turn the direction of
# writing) and halves of surrogate pairs.
_STEERING = ("Cc", "Cf", "Cs")
# Characters that spreadsheets read as the beginning of a formula.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def printable(value: object) -> str:
    r"""Text that cannot control a terminal: all control characters except line feeds are escaped.

    >>> printable("red \x1b[31m")
    'red \\x1b[31m'
    """
    return _escaped(str(value), "\n", lambda each: each.encode("unicode_escape").decode())


def printable_json(text: str) -> str:
    r"""JSON with the same content that cannot control a terminal.

    >>> printable_json('"red \x9b31m"')
    '"red \\u009b31m"'
    """
    return _escaped(text, "\n", _json_escape)


def spreadsheet_cell(value: object) -> object:
    r"""A CSV value that spreadsheets read as text, not as a formula; numbers stay numbers.

    >>> spreadsheet_cell("=HYPERLINK(1)"), spreadsheet_cell("-1.5"), spreadsheet_cell(-1.5)
    ("'=HYPERLINK(1)", '-1.5', -1.5)
    """
    if not isinstance(value, str):
        return value
    formula = _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    text = _escaped(value, "\n\t\r", lambda each: each.encode("unicode_escape").decode())
    return f"'{text}" if formula else text


def _escaped(text: str, allowed: str, escape: Callable[[str], str]) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        each if each in allowed or unicodedata.category(each) not in _STEERING else escape(each)
        for each in text
    )


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
