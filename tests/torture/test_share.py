"""Four processes at once on one cache and one results database."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.torture.processes import Process, run
from tests.torture.recording import NAME, RECORDED, SECONDS

PROCESSES = 4


def start(folder: Path, number: int, profilers: str, limit: int = 200) -> Process:
    arguments = (
        *("profile", "--backend", NAME, "--data", "builtin", "--profilers", profilers),
        *("--limit", limit, "--db", folder / "a.db", "--cache-dir", folder / "cache"),
    )
    environment = {RECORDED: str(folder / "record"), SECONDS: "0.001"}
    return Process(arguments, folder / f"output {number}", environment)


def finish(processes: list[Process]) -> None:
    for process in processes:
        assert process.wait() == 0, process.output.read_text()
        assert "lock" not in process.output.read_text()


def asked(folder: Path) -> Counter[str]:
    lines = (folder / "record").read_text().splitlines()
    return Counter(line.split()[1] for line in lines if line.startswith("asked"))


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "a.db") as connection:
        return connection.execute(sql).fetchall()


def test_new_files_made_by_all_at_once(tmp_path: Path, times: int) -> None:
    """The moment at which databases are created, and their journals changed, is the riskiest."""
    for repetition in range(times):
        folder = tmp_path / str(repetition)
        folder.mkdir()
        processes = [start(folder, number, "crows_pairs", 3) for number in range(PROCESSES)]
        finish(processes)
        assert rows(folder, "SELECT status, count(*) FROM runs GROUP BY 1") == [("complete", 4)]
        assert rows(folder, "SELECT count(*) FROM samples") == [(4 * 3,)]
        assert rows(folder, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("shift", [0, 1], ids=["same line", "overlapping"])
def test_no_row_is_lost_and_all_find_the_same(tmp_path: Path, shift: int) -> None:
    names = ("crows_pairs", "seat", "stereoset", "bbq")
    processes = []
    for number in range(PROCESSES):
        turned = [names[(place + shift * number) % 4] for place in range(4)]
        processes.append(start(tmp_path, number, ",".join(turned)))
    finish(processes)
    assert rows(tmp_path, "SELECT status, count(*) FROM runs GROUP BY 1") == [("complete", 4)]
    differing = rows(
        tmp_path,
        'SELECT profiler, metric, "group" FROM metrics GROUP BY 1, 2, 3 '
        "HAVING count(*) <> 4 OR count(DISTINCT value) > 1 OR count(DISTINCT ci_low) > 1",
    )
    assert differing == []
    assert len(rows(tmp_path, "SELECT DISTINCT count(*) FROM samples GROUP BY run_id")) == 1
    counts = asked(tmp_path)
    once = len(counts)
    print(f"{once} distinct requests, asked {counts.total() / once:.2f} times on average")
    assert counts.total() <= 1.05 * once
    total = counts.total()
    again = start(tmp_path, 9, ",".join(names))
    finish([again])
    assert asked(tmp_path).total() == total


def test_pruning_and_profiling_at_once(tmp_path: Path, times: int) -> None:
    for number in range(times):
        process = start(tmp_path, number, "crows_pairs,seat")
        while process.poll() is None:
            run(
                ("cache", "prune", "--model", NAME, "--cache-dir", tmp_path / "cache"),
                tmp_path / "pruned",
                {},
            )
        finish([process])
    assert rows(tmp_path, "SELECT status, count(*) FROM runs GROUP BY 1") == [("complete", times)]
