"""Results and answers that an earlier llmprof stored are found again (see README.md)."""

import json
import math
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_app import run

DATA = Path(__file__).with_name("data")
COMMANDS = (DATA / "commands.txt").read_text(encoding="utf-8").splitlines()
REPORTS = [json.loads(line) for line in (DATA / "reports.jsonl").read_text("utf-8").splitlines()]
# `llmprof verify` takes no selections.
VERIFIED = "SELECT id FROM runs WHERE command <> 'select' ORDER BY id"
# Another CPU may add in another order, which moves the last digits.
RELATIVE = 1e-12

# Protocols that were corrected since. Those of the toolkit ask other questions now; BBQ's has the
# same numbers here, as the samples hold no intersectional category.
CORRECTED = "--protocol toolkit"
SUCCESSORS = {"log-likelihood-original-2": "log-likelihood-original-3"}
# A benchmark names the version of lm-eval that is installed, in its configuration and its protocol.
RUNS = (
    "SELECT command, model, backend, json_remove(config, '$.lm_eval'), seed, status FROM runs "
    "ORDER BY id"
)
SAMPLES = (
    'SELECT profiler, dataset, sample_id, sample_index, "group", prompt, response, cache_key, '
    "error_class FROM samples WHERE run_id = ? ORDER BY id"
)
METRICS = (
    "SELECT profiler, iif(profiler = 'benchmark', NULL, protocol_version), dataset, metric, "
    '"group", n, n_total, iif(value IS NULL, reason, NULL) FROM metrics '
    "WHERE run_id = ? AND metric NOT LIKE '%debiased%' ORDER BY rowid"
)
VALUES = (
    "SELECT value FROM metrics WHERE run_id = ? AND metric NOT LIKE '%debiased%' ORDER BY rowid"
)
# Intervals are made otherwise today; those that were stored are shown, or made anew to compare.
INTERVAL = ("ci_low", "ci_high", "reason")
ASKED = "SELECT n_requests - n_cached, n_failed FROM run_datasets WHERE run_id = ?"


def query(db: Path, sql: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql, values).fetchall()


def llmprof(folder: Path, *arguments: str) -> str:
    """What a command prints that uses the database and the cache in `folder`."""
    places = {"LLMPROF_DB": "results.db", "LLMPROF_CACHE_DIR": "cache"}
    done = run(*arguments, cwd=folder, **places)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(folder: Path) -> set[tuple[Any, ...]]:
    """Every entry of the cache: its key, when it was stored, and its content."""
    file = folder / "cache" / "responses" / "cache.db"
    return set(query(file, "SELECT key, store_time, value FROM Cache"))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A copy of the files, for reading."""
    return shutil.copytree(DATA, tmp_path / "stored")


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory, cache_dir: Path) -> Path:
    """A copy in which every command was run once more."""
    folder = shutil.copytree(DATA, tmp_path_factory.mktemp("legacy") / "repeated")
    (folder / "cache" / "models").symlink_to(cache_dir / "models")
    for command in COMMANDS:
        llmprof(folder, *shlex.split(command)[1:])
    return folder


def pairs(repeated: Path) -> Iterator[tuple[str, str]]:
    """Of each command, the ids of the run then and of the run now."""
    ids = [
        run_id for (run_id,) in query(repeated / "results.db", "SELECT id FROM runs ORDER BY id")
    ]
    assert len(ids) == 2 * len(COMMANDS)
    both = zip(COMMANDS, ids[: len(COMMANDS)], ids[len(COMMANDS) :], strict=True)
    return ((then, now) for command, then, now in both if CORRECTED not in command)


def is_same(then: float | None, now: float | None) -> bool:
    """Whether two numbers are equal but for their last digits."""
    if then is None or now is None:
        return then is now
    return math.isclose(then, now, rel_tol=RELATIVE)


def known(now: Any, then: Any) -> Any:
    """`now` without the fields that a later llmprof has added."""
    if isinstance(then, dict):
        return {key: known(now[key], value) for key, value in then.items() if key in now}
    if isinstance(then, list):
        return [known(*both) for both in zip(now, then, strict=True)]
    return now


def without_intervals(report: Any) -> Any:
    """A report without the intervals of its numbers and changes."""
    if isinstance(report, dict):
        return {key: without_intervals(each) for key, each in report.items() if key not in INTERVAL}
    return list(map(without_intervals, report)) if isinstance(report, list) else report


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: " ".join(report["arguments"]))
def test_report_is_the_same(stored: Path, report: dict[str, Any]) -> None:
    printed = llmprof(stored, "report", *report["arguments"], "--format", "json")
    now, then = known(json.loads(printed), report["report"]), report["report"]
    if then["baseline"] is None:
        assert now == then
    else:
        assert without_intervals(now) == without_intervals(then)


def test_metrics_follow_from_the_samples(stored: Path) -> None:
    for (run_id,) in query(stored / "results.db", VERIFIED):
        llmprof(stored, "verify", run_id)


@pytest.mark.slow
def test_nothing_is_asked_again(repeated: Path) -> None:
    for _, now in pairs(repeated):
        assert set(query(repeated / "results.db", ASKED, now)) == {(0, 0)}
    assert answers(repeated) >= answers(DATA)


@pytest.mark.slow
def test_repeated_run_is_the_same(repeated: Path) -> None:
    db = repeated / "results.db"
    runs = query(db, RUNS)
    assert runs[len(COMMANDS) :] == runs[: len(COMMANDS)]
    for then, now in pairs(repeated):
        assert query(db, SAMPLES, now) == query(db, SAMPLES, then)
        metrics = [
            (name, SUCCESSORS.get(version, version), *others)
            for name, version, *others in query(db, METRICS, then)
        ]
        assert query(db, METRICS, now) == metrics
        values, again = query(db, VALUES, then), query(db, VALUES, now)
        numbers = zip(chain(*values), chain(*again), strict=True)
        assert [pair for pair in numbers if not is_same(*pair)] == []


@pytest.mark.slow
def test_written_files_are_the_same(repeated: Path) -> None:
    scored = (repeated / "scored.jsonl").read_bytes()
    assert scored == (DATA / "scored.jsonl").read_bytes()
    assert list(chosen(repeated)) == list(chosen(DATA))


def chosen(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines that `llmprof select` wrote, without the run that they name and its numbers."""
    for line in (folder / "chosen.jsonl").read_text(encoding="utf-8").splitlines():
        values = json.loads(line)
        del values["provenance"]["run_id"], values["provenance"]["scores"]
        yield values
