"""`llmprof cache`."""

from pathlib import Path

from tests.command_line import llmprof as run


def test_info_prune_and_clear(tmp_path: Path) -> None:
    place = ["--cache-dir", tmp_path]
    made = run(
        *("profile", "--backend", "scripted", "--data", "builtin", "--profilers", "crows_pairs"),
        *("--limit", 4, "--db", tmp_path / "a.db", *place),
    )
    assert made.returncode == 0, made.stderr
    assert "8 responses" in run("cache", "info", *place).stdout
    assert run("cache", "prune", "--older-than", 1, *place).stdout == "removed 0 responses\n"
    assert run("cache", "prune", "--model", "other", *place).stdout == "removed 0 responses\n"
    assert run("cache", "clear", "--yes", *place).stdout == "removed 8 responses\n"
    assert "0 responses" in run("cache", "info", *place).stdout


def test_clear_asks_first(tmp_path: Path) -> None:
    done = run("cache", "clear", "--cache-dir", tmp_path)
    assert done.returncode == 1
    assert "removed" not in done.stdout
    assert "Traceback" not in done.stderr
