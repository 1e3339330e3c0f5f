"""Stored metrics follow from stored samples, and a sample that was tampered with is found."""

import json
import sqlite3
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from llmprof.backends import BackendOptions
from llmprof.datasets import DataOptions
from llmprof.errors import StoreError, UnknownNameError, UsageError, VerificationError
from llmprof.jobs.benchmark import BenchmarkJob, run_benchmark
from llmprof.jobs.profile import ProfileJob, run_profile
from llmprof.jobs.score import ScoreJob, run_score
from llmprof.jobs.verify import Verification, check, verify_run
from llmprof.options import ScorerChoice
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.registry import BUILT_IN
from tests.command_line import llmprof as run
from tests.jobs.benchmark.task_files import write_choice, write_cloze, write_pages

PROFILERS = tuple(BUILT_IN)
SCORER = ScorerChoice("scripted", BackendOptions())


def profile(folder: Path, protocol: str = "original") -> Path:
    """The results of every profiler on the built-in samples, by a scripted model."""
    db = folder / "profile.db"
    options = ProfilerOptions(protocol=protocol, toxicity_samples=3)
    data = DataOptions(data="builtin", limit=12)
    job = ProfileJob(
        PROFILERS, "scripted", BackendOptions(), data, options, db, folder / "cache", SCORER
    )
    run_profile(job, lambda label, progress: None)
    return db


def score(folder: Path) -> Path:
    db = folder / "score.db"
    (folder / "texts.txt").write_text("one text\nanother\na third\n")
    run_score(
        ScoreJob((str(folder / "texts.txt"),), SCORER, None, db, folder / "cache"),
        lambda *told: None,
    )
    return db


def benchmark(folder: Path) -> Path:
    db = folder / "benchmark.db"
    tasks = folder / "tasks"
    for write in (write_choice, write_cloze, write_pages):
        write(tasks)
    job = BenchmarkJob(
        ("choice", "cloze", "pages"),
        "scripted",
        BackendOptions(offline=True),
        db,
        folder / "cache",
        include_path=tasks,
    )
    assert run_benchmark(job, lambda *told: None, lambda error: None).exit_code == 0
    return db


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return profile(tmp_path_factory.mktemp("profile"))


@pytest.fixture
def db(whole: Path, tmp_path: Path) -> Path:
    """A copy to do harm to."""
    copy = tmp_path / "copy.db"
    with sqlite3.connect(whole) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    return copy


def execute(db: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(db) as connection:
        assert connection.execute(sql, values).rowcount > 0


def verified(db: Path) -> dict[str, Verification]:
    return {each.dataset: each for each in verify_run(db, "")[1]}


def test_every_profile_follows_from_its_samples(whole: Path) -> None:
    found, results = verify_run(whole, "")
    check(found, results)
    assert {each.profiler for each in results} == set(PROFILERS)
    assert all(each.n_metrics and not each.n_unchecked for each in results)


@pytest.mark.parametrize("make", [lambda folder: profile(folder, "toolkit"), score, benchmark])
def test_other_protocol_scores_and_benchmarks_follow_too(
    make: Callable[[Path], Path], tmp_path: Path
) -> None:
    found, results = verify_run(make(tmp_path), "")
    check(found, results)
    assert all(each.n_metrics for each in results)


def test_benchmark_says_what_it_cannot_check(tmp_path: Path) -> None:
    results = verified(benchmark(tmp_path))
    assert results["choice"].unchecked == ()
    assert "perplexity" not in results["cloze"].unchecked
    assert {"word_perplexity", "bits_per_byte"} <= set(results["pages"].unchecked)


# One score of each profile that enters a metric.
@pytest.mark.parametrize(
    ("profiler", "score"),
    [
        ("textual", "mtld"),
        ("toxicity", "INSULT"),
        ("crows_pairs", "tie"),
        ("stereoset", "prefers_related"),
        ("seat", "p_value"),
        ("bbq", "correct"),
        ("calibration", "confidence_raw"),
    ],
)
@pytest.mark.parametrize("new", [0.625, None])
def test_tampered_score_is_found(db: Path, profiler: str, score: str, new: float | None) -> None:
    execute(
        db,
        "UPDATE samples SET scores = json_set(scores, ?, ?) WHERE profiler = ? AND sample_id = "
        "(SELECT sample_id FROM samples WHERE profiler = ? AND scores ->> ? IS NOT NULL)",
        f"$.{score}",
        new,
        profiler,
        profiler,
        f"$.{score}",
    )
    with pytest.raises(VerificationError, match=rf"differences .* {profiler} on"):
        check(*verify_run(db, ""))


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM samples WHERE id = (SELECT max(id) FROM samples)",
        "UPDATE metrics SET value = value + 0.001 WHERE metric = 'n_tokens'",
        "UPDATE metrics SET n = n - 1 WHERE rowid = 5",
        "UPDATE metrics SET ci_high = ci_high * 1.001 WHERE metric = 'n_tokens'",
        "DELETE FROM metrics WHERE rowid = 5",
        "UPDATE samples SET scores = '{}' WHERE profiler = 'crows_pairs'",
        "UPDATE samples SET scores = json_set(scores, '$.correct', 'yes') WHERE profiler = 'bbq'",
        "UPDATE samples SET \"group\" = 'x' WHERE profiler = 'stereoset'",
    ],
)
def test_harm_of_other_kinds_is_found(db: Path, harm: str) -> None:
    execute(db, harm)
    with pytest.raises(VerificationError):
        check(*verify_run(db, ""))


@pytest.mark.parametrize("harm", ["deleted", "copied"])
def test_sample_that_is_missing_or_there_twice_is_found(db: Path, harm: str) -> None:
    """A scripted model gives the same completion k times, of which any may be the one."""
    one = "SELECT max(id) FROM samples GROUP BY profiler, dataset"
    columns = (
        'run_id, profiler, dataset, sample_id, sample_index, "group", prompt, response, scores'
    )
    sql = {
        "deleted": f"DELETE FROM samples WHERE id IN ({one})",
        "copied": f"INSERT INTO samples ({columns}) SELECT {columns} FROM samples "
        f"WHERE id IN ({one})",
    }
    execute(db, sql[harm])
    for each in verify_run(db, "")[1]:
        made = each.n_samples + (1 if harm == "deleted" else -1)
        sentence = f"{each.n_samples} samples are stored, but {made} were made"
        assert sentence in each.differences, each.profiler


def test_results_of_older_versions_are_verified_without_a_count(db: Path) -> None:
    execute(db, "UPDATE run_datasets SET n_samples = NULL")
    execute(db, "DELETE FROM samples WHERE sample_id = (SELECT max(sample_id) FROM samples)")
    with pytest.raises(VerificationError):
        check(*verify_run(db, ""))


def test_tampered_benchmark_is_found(tmp_path: Path) -> None:
    db = benchmark(tmp_path)
    execute(
        db,
        "UPDATE samples SET scores = json_remove(scores, '$.acc') WHERE id = "
        "(SELECT min(id) FROM samples WHERE dataset = 'choice')",
    )
    with pytest.raises(VerificationError, match="acc"):
        check(*verify_run(db, ""))


def test_text_metrics_are_compared_with_the_reference(db: Path) -> None:
    if find_spec("textdescriptives") is None:
        pytest.skip("the extra `reference` is not installed: nox -s reference has it")
    found, results = verify_run(db, "", reference=True)
    check(found, results)
    (textual,) = (each for each in results if each.profiler == "textual")
    assert textual.n_reference == 53 * textual.n_samples
    # A metric follows from its samples still, but no longer from the texts.
    execute(db, "UPDATE samples SET response = 'Another text.' WHERE profiler = 'textual'")
    check(*verify_run(db, ""))
    with pytest.raises(VerificationError, match="the reference gives"):
        check(*verify_run(db, "", reference=True))


def test_scores_that_are_no_json_are_one_clear_error(db: Path) -> None:
    execute(db, "UPDATE samples SET scores = '{' WHERE id = 1")
    with pytest.raises(StoreError, match="is not JSON; restore"):
        verify_run(db, "")


def test_run_without_results_is_not_called_right(db: Path) -> None:
    execute(db, "DELETE FROM run_datasets")
    with pytest.raises(VerificationError, match="no results"):
        check(*verify_run(db, ""))


def test_unknown_run_is_one_clear_error(db: Path) -> None:
    with pytest.raises(UnknownNameError, match="nonsense"):
        verify_run(db, "nonsense")


def test_a_run_has_the_names_that_it_has_in_reports(db: Path) -> None:
    latest, _ = verify_run(db, "")
    execute(db, "UPDATE runs SET name = 'mine' WHERE id = ?", latest.id)
    for name in ("mine", "@1", latest.id[:-3]):
        assert verify_run(db, name)[0].id == latest.id
    with pytest.raises(UnknownNameError, match="@99"):
        verify_run(db, "@99")


def test_command_line_tells_by_its_exit_code(db: Path) -> None:
    done = run("verify", "--db", db)
    assert (done.returncode, done.stderr) == (0, "")
    assert "crows_pairs" in done.stdout
    execute(db, "UPDATE metrics SET value = 0.5 WHERE rowid = 1")
    done = run("verify", "--db", db)
    assert done.returncode == 1
    assert done.stderr.startswith("llmprof: error: run ")
    assert len(done.stderr.splitlines()) == 1
    assert json.dumps(0.5) in done.stdout


def test_selection_is_refused_in_one_line(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    made = run(
        *("select", "--backend", "scripted", "--models", "m", "--data", "builtin", "--limit", 2),
        *("--k", 2, "--target", "n_characters", "--output", tmp_path / "a.jsonl", "--quiet"),
        *("--db", db, "--cache-dir", tmp_path / "cache"),
    )
    assert made.returncode == 0, made.stderr
    with pytest.raises(UsageError, match="of `llmprof select`"):
        verify_run(db, "")
