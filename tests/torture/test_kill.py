"""SIGKILL at random moments: nothing that was kept is lost, nothing kept is asked again."""

import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.jobs.benchmark.task_files import write_choice
from tests.torture.processes import Process, run
from tests.torture.recording import NAME, RECORDED, SECONDS, WINDOW

# In the suite; the nox session `torture` has 50 times as many: 200 of all four.
KILLS = {"profile": 2, "benchmark": 1, "report": 1}
_SECONDS_AN_ANSWER = 0.001
# A profile here states 80 requests and more: most kills come within a window or between two.
_REQUESTS_AT_ONCE = 16


class Place:
    """A folder with a results database, a cache and a record of what was asked."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.db = folder / "a.db"
        self.record = folder / "record"
        self.environment: Mapping[str, str] = {
            RECORDED: str(self.record),
            SECONDS: str(_SECONDS_AN_ANSWER),
            WINDOW: str(_REQUESTS_AT_ONCE),
        }
        self.options = ("--db", self.db, "--cache-dir", folder / "cache")

    def start(self, *arguments: object) -> Process:
        return Process(arguments, self.folder / "output", self.environment)

    def run(self, *arguments: object) -> str:
        return run(arguments, self.folder / "output", self.environment)

    def lines(self) -> int:
        return self.record.read_bytes().count(b"\n") if self.record.exists() else 0

    def wait_for(self, process: Process, lines: int) -> None:
        """Until the record has so many lines, of this process or those before, or it has ended."""
        while self.lines() < lines and process.poll() is None:
            time.sleep(0.001)

    def check(self) -> None:
        """Both databases are whole, and nothing that was kept was asked again."""
        self.check_whole()
        kept: set[str] = set()
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        for line in lines:
            what, key, _ = line.split()
            assert what == "kept" or key not in kept, f"{key} was kept, and asked again"
            if what == "kept":
                kept.add(key)

    def check_whole(self) -> None:
        """SQLite finds no fault in the results, nor in the cache."""
        for file in (self.db, self.folder / "cache" / "responses" / "cache.db"):
            if file.exists():
                with sqlite3.connect(file) as connection:
                    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]

    def metrics(self) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.db) as connection:
            rows = connection.execute(
                'SELECT profiler, dataset, metric, "group", value, ci_low, ci_high, n, n_total, '
                "reason FROM metrics JOIN runs ON id = run_id WHERE status = 'complete' "
                "ORDER BY 1, 2, 3, 4, run_id"
            )
            return rows.fetchall()


def profile(place: Place) -> tuple[object, ...]:
    return (
        *("profile", "--backend", NAME, "--data", "builtin", "--profilers", "crows_pairs,seat"),
        *("--limit", 40, *place.options),
    )


def benchmark(place: Place) -> tuple[object, ...]:
    tasks = place.folder / "tasks"
    if not tasks.exists():
        write_choice(tasks)
        write_choice(tasks, "second", doc_to_text="{{question}} truly")
    return (
        *("benchmark", "--backend", NAME, "--tasks", "choice,second", "--include-path", tasks),
        *("--offline", *place.options),
    )


@pytest.mark.parametrize("command", [profile, benchmark], ids=lambda command: command.__name__)
def test_killed_command_resumes_to_identical_metrics(
    command: Callable[[Place], tuple[object, ...]], tmp_path: Path, times: int
) -> None:
    """Kill after kill on the same folder; one in three resumes to its end, in a fresh one then."""
    whole = Place(tmp_path / "whole")
    whole.run(*command(whole))
    expected, lines = whole.metrics(), whole.lines()
    assert expected
    kills = completed = 0
    generator = random.Random(20_240_701)
    place = Place(tmp_path / "0")
    while kills < KILLS[command.__name__] * times:
        process = place.start(*command(place))
        # From before the first request to after the last, when results are saved.
        place.wait_for(process, generator.randint(0, lines))
        time.sleep(generator.uniform(0.0, 0.1))
        if process.kill():
            kills += 1
        else:
            assert process.wait() == 0, process.output.read_text()
        place.check()
        if process.poll() == 0 or generator.random() < 1 / 3:
            place.run(*command(place))
            place.check()
            assert set(place.metrics()) == set(expected)
            completed += 1
            place = Place(tmp_path / f"{completed}")
    place.run(*command(place))
    place.check()
    assert set(place.metrics()) == set(expected)
    print(f"{command.__name__}: {kills} kills, {completed + 1} resumed to the end")


def test_killed_report_and_prune_leave_everything_whole(tmp_path: Path, times: int) -> None:
    place = Place(tmp_path / "a")
    place.run(*profile(place))
    expected = place.metrics()
    generator = random.Random(20_240_702)
    kills = 0
    while kills < KILLS["report"] * times:
        for arguments in (
            ("report", "--db", place.db),
            ("cache", "prune", "--model", NAME, "--cache-dir", place.folder / "cache"),
        ):
            process = place.start(*arguments)
            time.sleep(generator.uniform(0.0, 0.15))
            kills += process.kill()
            place.check_whole()
            assert place.metrics() == expected
        # What was pruned is asked again, which is right; the rest is not.
        place.record.unlink(missing_ok=True)
        place.run(*profile(place))
        place.check()
        assert set(place.metrics()) == set(expected)
        expected = place.metrics()
    print(f"report and cache prune: {kills} kills")
