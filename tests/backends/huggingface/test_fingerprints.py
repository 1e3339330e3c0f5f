"""A fingerprint changes with every file that is read, also when size and time are the same."""

import os
from pathlib import Path

import pytest

from llmprof.backends.huggingface import fingerprints
from llmprof.backends.huggingface.fingerprints import file_fingerprint, folder_fingerprint


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as unchanged at once, as they do two seconds later."""
    monkeypatch.setattr(fingerprints, "_CLOCK_RESOLUTION_NS", 0)


@pytest.mark.parametrize("how", ["in place", "replaced"])
@pytest.mark.usefixtures("settled")
def test_another_content_of_the_same_size_and_time_is_seen(tmp_path: Path, how: str) -> None:
    file, memory = tmp_path / "weights", tmp_path / "memory"
    file.write_text("one")
    times = file.stat()
    before = file_fingerprint(file, memory)
    written = file if how == "in place" else tmp_path / "new"
    written.write_text("two")
    os.utime(written, ns=(times.st_atime_ns, times.st_mtime_ns))
    written.replace(file)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (times.st_size, times.st_mtime_ns)
    assert file_fingerprint(file, memory) != before


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_text("one")
    before = file_fingerprint(file, tmp_path / "memory")
    monkeypatch.setattr(fingerprints, "_digest", lambda file: "read again")
    assert file_fingerprint(file, tmp_path / "memory") == before


def test_a_file_that_just_changed_is_read_each_time(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_text("one")
    file_fingerprint(file, tmp_path / "memory")
    assert not (tmp_path / "memory").exists()


def test_a_folder_is_known_by_names_and_contents(tmp_path: Path) -> None:
    memory = tmp_path / "memory"
    found = set()
    for name, content in (("a", "x"), ("a", "y"), ("inner/a", "x")):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content)
        found.add(folder_fingerprint(tmp_path, [name], memory))
    assert len(found) == 3
