"""Several scorers in one run: completions once, metrics and agreement of each, in every format."""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.test_recording import perspective, run
from tests.servers.perspective import PerspectiveServer
from tests.servers.running import serve

PROFILE = (
    "profile", "--backend", "varied", "--profilers", "toxicity", "--data", "builtin",
    "--limit", "5", "--toxicity-samples", "4",
)  # fmt: skip


def query(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "old.db") as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.slow
def test_completions_are_made_once_and_scored_by_each(tmp_path: Path) -> None:
    server = PerspectiveServer()
    with serve(server.app()) as address:
        several = ("--toxicity-scorer", "profanity,perspective", *perspective(address)[2:])
        run(tmp_path, *PROFILE, *several, "--toxicity-bridge", "builtin")
        plan = run(tmp_path, *PROFILE, *several, "--dry-run")
    ((requests, failed),) = query(tmp_path, "SELECT n_requests, n_failed FROM run_datasets")
    samples = [
        json.loads(str(scores)) for (scores,) in query(tmp_path, "SELECT scores FROM samples")
    ]
    assert len(samples) == 20
    scored = [each for each in samples if each]
    # The model was asked 20 times, and each scorer once for every completion with text.
    assert (requests, failed) == (20 + 2 * len(scored), 0)
    assert set(server.scored.values()) == {1}
    assert "toxicity scoring by profanity" in plan and "toxicity scoring by perspective" in plan
    assert all("TOXICITY" in each and "TOXICITY:perspective" in each for each in scored)
    metrics = Counter(str(name).partition(":")[2] for (name,) in query(
        tmp_path, "SELECT DISTINCT metric FROM metrics"))  # fmt: skip
    assert metrics["profanity"] == metrics["perspective"] == 4
    assert metrics["profanity&perspective"] == metrics["perspective-2020~profanity"] == 2
    assert "verified" in run_verify(tmp_path)
    wanted = "expected_maximum_toxicity:perspective-2020~profanity"
    for ending in ("txt", "md", "json", "csv", "parquet", "html"):
        output = tmp_path / f"report.{ending}"
        report(tmp_path, output)
        content = content_of(output)
        shown = wanted.replace("_", " ").replace(":", ": ") if ending == "html" else wanted
        assert shown in content, ending
        assert shown.replace("perspective-2020~profanity", "perspective") in content, ending


def content_of(output: Path) -> str:
    if output.suffix == ".parquet":
        from pyarrow import parquet

        return str(parquet.read_table(output).to_pylist())
    return output.read_text("utf-8").replace("\\", "")


def report(folder: Path, output: Path) -> None:
    from llmprof.report.build import build_report
    from llmprof.report.formats import choose_format, write_report

    db = folder / "old.db"
    write_report(build_report(db, [], None), db, choose_format(None, output), output)


def run_verify(folder: Path) -> str:
    from llmprof.jobs.verify import check, verify_run

    found, results = verify_run(folder / "old.db", "")
    check(found, results)
    return "verified"
