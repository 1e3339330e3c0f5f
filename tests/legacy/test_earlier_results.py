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

from tests.command_line import llmprof as run

DATA = Path(__file__).with_name("data")
COMMANDS = (DATA / "commands.txt").read_text(encoding="utf-8").splitlines()
REPORTS = [json.loads(line) for line in (DATA / "reports.jsonl").read_text("utf-8").splitlines()]
# `llmprof verify` takes no selections.
VERIFIED = "SELECT id FROM runs WHERE command <> 'select' ORDER BY id"
# Another CPU may add in another order, and text metrics in single precision depend on numpy's.
RELATIVE = 1e-6

# Protocols that were corrected since: those of the toolkit ask other questions now, and MTLD of a
# text in which no word is repeated is not defined.
CORRECTED = ("--protocol toolkit", "--target mtld")
# BBQ's has the same numbers here, as the samples hold no intersectional category.
SUCCESSORS = {
    "log-likelihood-original-2": "log-likelihood-original-3",
    "greedy-1": "greedy-3",
}
UNCHANGED = [command for command in COMMANDS if not any(words in command for words in CORRECTED)]
RUN = (
    "SELECT command, model, backend, json_extract(config, '$.identity'), seed, status FROM runs "
    "WHERE id = ?"
)
SAMPLES = (
    'SELECT profiler, dataset, sample_id, sample_index, "group", prompt, response, cache_key, '
    "error_class FROM samples WHERE run_id = ? ORDER BY id"
)
# Not the metrics that were added since.
NEW = ("%debiased%", "style_%", "mtld", "distinct_%", "self_bleu", "compression_ratio")
OLD = " AND ".join(f"metric NOT LIKE '{name}'" for name in NEW)
# A benchmark's protocol names the version of lm-eval that is installed.
METRICS = (
    "SELECT profiler, iif(profiler = 'benchmark', NULL, protocol_version), dataset, metric, "
    '"group", n, n_total, iif(value IS NULL, reason, NULL) FROM metrics '
    f"WHERE run_id = ? AND {OLD} ORDER BY rowid"
)
VALUES = f"SELECT value FROM metrics WHERE run_id = ? AND {OLD} ORDER BY rowid"
# Intervals are made otherwise today; those that were stored are shown, or made anew to compare.
INTERVAL = ("ci_low", "ci_high", "reason")
# Text metrics are computed by requests of their own today, which an earlier cache does not hold.
ASKED = (
    "SELECT n_requests - n_cached, n_failed FROM run_datasets "
    "WHERE run_id = ? AND profiler <> 'textual'"
)


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
    for command in UNCHANGED:
        llmprof(folder, *shlex.split(command)[1:])
    return folder


def pairs(repeated: Path) -> Iterator[tuple[str, str]]:
    """Of each command, the ids of the run then and of the run now."""
    ids = [
        run_id for (run_id,) in query(repeated / "results.db", "SELECT id FROM runs ORDER BY id")
    ]
    assert len(ids) == len(COMMANDS) + len(UNCHANGED)
    then = [run_id for command, run_id in zip(COMMANDS, ids, strict=False) if command in UNCHANGED]
    return zip(then, ids[len(COMMANDS) :], strict=True)


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
        assert set(query(repeated / "results.db", ASKED, now)) <= {(0, 0)}
    assert answers(repeated) >= answers(DATA)


@pytest.mark.slow
def test_repeated_run_is_the_same(repeated: Path) -> None:
    db = repeated / "results.db"
    for then, now in pairs(repeated):
        assert query(db, RUN, now) == query(db, RUN, then)
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
def test_written_file_is_the_same(repeated: Path) -> None:
    scored = (repeated / "scored.jsonl").read_bytes()
    assert scored == (DATA / "scored.jsonl").read_bytes()
