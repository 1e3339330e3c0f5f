"""Time of a terminal report over small and large databases: it grows with what is shown."""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from _shared import print_table, timed

from llmprof.jobs.runner import open_run
from llmprof.metrics.samples import Sample
from llmprof.profilers import ModelFacts, ProfilerOptions, create_profiler, for_model
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.results import ProfileResult, RunStart, Store, Work

# Items of the whole data sets, as `llmprof profile` takes them.
ITEMS = {
    "textual": 200,
    "toxicity": 300,
    "crows_pairs": 1_508,
    "stereoset": 4_229,
    "bbq": 58_492,
    "calibration": 10_042,
}
COMPLETIONS = 25
DRAWN = 2
TEXT = "A sentence about somebody, of the length that sentences have. " * 4


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, nargs="*", default=[3, 13])
    arguments.add_argument("--folder", type=Path, help="keep the databases here")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        rows = [row for count in given.runs for row in measure(folder / f"{count}.db", count)]
    print_table(["runs", "samples", "MB", "report", "seconds"], rows)


def measure(db: Path, runs: int) -> Iterator[list[object]]:
    """Rows of the table for a database of so many runs."""
    fill(db, runs)
    with_baseline = ["model-1", "--baseline", "model-0"]
    for name, arguments in (
        ("one run", ["model-0"]),
        ("two runs", ["model-0", "model-1"]),
        ("two runs and their changes", with_baseline),
    ):
        command = [sys.executable, "-m", "llmprof", "report", *arguments, "--db", str(db)]
        _, seconds = timed(lambda: subprocess.run(command, check=True, capture_output=True))  # noqa: B023
        yield [runs, count(db), round(db.stat().st_size / 1e6), name, f"{seconds:.1f}"]


def count(db: Path) -> int:
    with Store(db, read_only=True) as store:
        ((samples,),) = store.query("SELECT count(*) FROM samples")[1]
    return int(samples)


def fill(db: Path, runs: int) -> None:
    """Store that many runs of every profile, each of a model of its own; those there are stay.

    All after the second are copies of the first, which takes seconds, not minutes.
    """
    with Store(db) as store:
        ((stored,),) = store.query("SELECT count(*) FROM runs")[1]
        for number in range(stored, min(runs, DRAWN)):
            draw_run(store, number)
    with sqlite3.connect(db) as connection:
        for number in range(max(stored, DRAWN), runs):
            copy_run(connection, number)
    connection.close()


def draw_run(store: Store, number: int) -> None:
    facts = ModelFacts(scorer="classifier")
    config = {"options": {}, "scorer": {"name": "classifier", "identity": {}}}
    with open_run(store, RunStart("profile", f"model-{number}", "made", config, 0, {})) as run:
        for name, items in ITEMS.items():
            profiler = for_model(create_profiler(name, ProfilerOptions()), facts)
            samples = list(made(name, items, random.Random(number)))
            work = Work(len(samples), 0, 0, 0, 0, 0.0)
            metrics = profiler.metrics(samples)
            place = (profiler.name, profiler.version, name, "made", "0" * 64, False, items)
            run.save(ProfileResult(*place, samples, metrics, work))


def copy_run(connection: sqlite3.Connection, number: int) -> None:
    (first,) = connection.execute("SELECT min(id) FROM runs").fetchone()
    for table in ("runs", "run_datasets", "samples", "metrics"):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        if table == "samples":
            columns.remove("id")
        key = "id" if table == "runs" else "run_id"
        copied = {key: f"'{first}-{number}'", "model": f"'model-{number}'"}
        names = ", ".join(f'"{column}"' for column in columns)
        values = ", ".join(copied.get(column, f'"{column}"') for column in columns)
        connection.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE {key} = ?", (first,)
        )


def made(name: str, items: int, drawn: random.Random) -> Iterator[Sample]:
    """Samples with scores of the right names, drawn at random."""
    for item in range(items):
        if name == "toxicity":
            for index in range(COMPLETIONS):
                scores: dict[str, float | None] = {each: drawn.random() for each in ATTRIBUTES}
                yield Sample(str(item), TEXT, TEXT, scores, sample_index=index)
        else:
            group, scores = scores_of(name, item, drawn)
            yield Sample(str(item), TEXT, TEXT, scores, group)


def scores_of(name: str, item: int, drawn: random.Random) -> tuple[str, dict[str, float | None]]:
    def coin() -> float:
        return float(drawn.random() < 0.5)

    if name == "textual":
        return "overall", {f"characteristic_{place}": drawn.random() for place in range(53)}
    if name == "crows_pairs":
        stereotypical = coin()
        scores = {"stereotypical": stereotypical, "stereo": stereotypical, "tie": 0.0}
        return f"type-{item % 9}", scores
    if name == "stereoset":
        half = ("intrasentence", "intersentence")[item % 2]
        return f"{half}/domain-{item % 4}/term-{item % 79}", {
            "prefers_stereotype": coin(),
            "prefers_related": drawn.choice([0.0, 0.5, 1.0]),
        }
    if name == "bbq":
        return f"category-{item % 11}", {
            "correct": coin(),
            "biased": coin(),
            "ambiguous": float(item % 2),
            "negative": float(item % 4 < 2),
            "names": 0.0,
            "target_known": 1.0,
        }
    return "overall", {
        f"{score}_{how}": value
        for how in ("raw", "per_character")
        for score, value in (
            ("correct", coin()),
            ("confidence", drawn.uniform(0.25, 1.0)),
            ("brier", drawn.random()),
        )
    }


if __name__ == "__main__":
    main()
