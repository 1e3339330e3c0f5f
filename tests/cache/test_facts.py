"""What is remembered is found once, and a broken note is as good as none."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from llmprof.cache.facts import remembered


def test_finds_once_for_each_key(tmp_path: Path) -> None:
    found: list[str] = []

    def find() -> dict[str, int]:
        found.append("again")
        return {"calls": len(found)}

    assert remembered(tmp_path / "notes", "a", find) == {"calls": 1}
    assert remembered(tmp_path / "notes", "a", find) == {"calls": 1}
    assert remembered(tmp_path / "notes", "b", find) == {"calls": 2}


def test_only_the_latest_stay(tmp_path: Path) -> None:
    for place, key in enumerate("abc"):
        remembered(tmp_path, key, lambda key=key: key, most=2)
        for file in tmp_path.iterdir():
            if json.loads(file.read_text()) == key:
                os.utime(file, (place, place))
    assert {json.loads(file.read_text()) for file in tmp_path.iterdir()} == {"b", "c"}
    assert remembered(tmp_path, "b", lambda: "never", most=2) == "b"


@pytest.mark.parametrize("torn", [b"", b'{"half', b"\xff\xfe"])
def test_a_torn_note_is_found_again_and_mended(tmp_path: Path, torn: bytes) -> None:
    remembered(tmp_path, "a", lambda: "whole")
    (note,) = tmp_path.iterdir()
    note.write_bytes(torn)
    assert remembered(tmp_path, "a", lambda: "anew") == "anew"
    assert remembered(tmp_path, "a", lambda: "never") == "anew"


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert remembered(tmp_path / "file" / "notes", "a", lambda: [1]) == [1]


def test_an_error_is_not_remembered(tmp_path: Path) -> None:
    def fail() -> str:
        raise LookupError("not yet")

    with pytest.raises(LookupError):
        remembered(tmp_path, "a", fail)
    assert remembered(tmp_path, "a", lambda: "found") == "found"
