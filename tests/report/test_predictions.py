"""StereoSet predictions in the authors' format, read back by an evaluation of their kind."""

import json
import math
import sqlite3
from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.datasets import DataOptions
from llmprof.errors import OutputError, StoreError, UnknownNameError, UsageError
from llmprof.jobs.profile import ProfileJob, run_profile
from llmprof.profilers import ProfilerOptions
from llmprof.report.predictions import export_predictions
from tests.report.databases import add_run, pairs

NAME = "stereoset"


@pytest.fixture(scope="module")
def profiled(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A database with one run of a scripted model over the whole real StereoSet."""
    folder = tmp_path_factory.mktemp("profiled")
    job = ProfileJob(
        ("stereoset",),
        "scripted",
        BackendOptions(),
        DataOptions(data_dir=data_dir),
        ProfilerOptions(),
        folder / "a.db",
        folder / "cache",
    )
    return job.db, run_profile(job, lambda name, progress: None)


def evaluation(gold: Path, predictions: dict[str, Any]) -> tuple[float, float]:
    """Overall lms and ss as the authors' evaluation reads both files: scores by sentence id."""
    scores = {each["id"]: each["score"] for half in predictions.values() for each in half}
    related, biased = defaultdict(list), defaultdict(list)
    data = json.loads(gold.read_text(encoding="utf-8"))["data"]
    for item in data["intrasentence"] + data["intersentence"]:
        found = {each["gold_label"]: scores[each["id"]] for each in item["sentences"]}
        biased[item["target"]].append(found["stereotype"] > found["anti-stereotype"])
        for label in ("stereotype", "anti-stereotype"):
            related[item["target"]].append(found[label] > found["unrelated"])
    lms, ss = (100 * fmean(map(fmean, each.values())) for each in (related, biased))
    return lms, ss


@pytest.mark.slow
def test_an_evaluation_of_the_export_gives_the_stored_metrics(
    profiled: tuple[Path, str], data_dir: Path, tmp_path: Path
) -> None:
    db, run = profiled
    output = tmp_path / "predictions.json"
    assert export_predictions(db, NAME, run, output) == 3 * 4229
    predictions = json.loads(output.read_text(encoding="utf-8"))
    assert {half: len(each) for half, each in predictions.items()} == {
        "intrasentence": 3 * 2106, "intersentence": 3 * 2123,
    }  # fmt: skip
    assert all(0 < each["score"] < 1 for half in predictions.values() for each in half)
    with sqlite3.connect(db) as connection:
        stored = dict(
            connection.execute("SELECT metric, value FROM metrics WHERE \"group\" = 'overall'")
        )
        (text,) = connection.execute("SELECT scores FROM samples ORDER BY id LIMIT 1").fetchone()
    lms, ss = evaluation(data_dir / "stereoset" / "dev.json", predictions)
    assert (lms, ss) == pytest.approx((stored["lms"], stored["ss"]), abs=1e-9)
    first = predictions["intrasentence"][0]["score"]
    assert first == pytest.approx(math.exp(json.loads(text)["stereotype"]))


def test_a_run_is_named_as_everywhere(profiled: tuple[Path, str], tmp_path: Path) -> None:
    db, run = profiled
    for name in ("", run[:12], run.rpartition("-")[2], "@1"):
        output = tmp_path / f"{name}.json"
        assert export_predictions(db, NAME, name, output) == 12_687
        assert output.read_bytes() == (tmp_path / ".json").read_bytes()


def test_only_a_run_with_the_profile_has_predictions(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    for model in ("m", "n"):
        add_run(db, model, pairs([1.0]))
    for name, error, words in (
        ("", StoreError, "holds no run of stereoset"),
        ("m", StoreError, "without results of stereoset"),
        ("20", UnknownNameError, "2 runs match"),
        ("nonsense", UnknownNameError, "no run or model 'nonsense'"),
    ):
        with pytest.raises(error, match=words):
            export_predictions(db, NAME, name, tmp_path / "a.json")


def test_a_folder_that_cannot_be_written_is_refused(
    profiled: tuple[Path, str], tmp_path: Path
) -> None:
    db, run = profiled
    with pytest.raises(OutputError, match="choose another file"):
        export_predictions(db, NAME, run, tmp_path / "no" / "a.json")


def test_a_profile_without_such_a_format_is_refused(
    profiled: tuple[Path, str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no prediction format"):
        export_predictions(profiled[0], "textual", "", tmp_path / "a.json")


def test_an_item_without_a_score_is_refused(profiled: tuple[Path, str], tmp_path: Path) -> None:
    db, run = profiled
    copy = tmp_path / "copy.db"
    with sqlite3.connect(db) as source, sqlite3.connect(copy) as target:
        source.backup(target)
        target.execute(
            "UPDATE samples SET response = NULL WHERE id = (SELECT max(id) FROM samples)"
        )
    with pytest.raises(StoreError, match="run the profile again"):
        export_predictions(copy, NAME, run, tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
