"""Each tracker gets a series, and is read back by its own client; nothing leaves this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from llmprof.errors import MissingDependencyError, TrackerError, UnknownNameError
from llmprof.jobs.track import track_run, track_series
from llmprof.results import Store
from llmprof.results.series import SeriesPlace, add_to_series
from llmprof.trackers import TRACKERS
from tests.needed import leave_out
from tests.report.databases import add_run, pairs

METRIC = "crows_pairs/data/stereotype_score"
SHARES = [20.0, 40.0, 80.0]
STEPS = [0, 10, 20]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    file = tmp_path / "llmprof.db"
    for step, share in zip(STEPS, SHARES, strict=True):
        values = [1.0] * round(share / 2) + [0.0] * (50 - round(share / 2))
        run_id = add_run(file, "model", pairs(values), options={"max_new_tokens": 16})
        with Store(file) as store:
            add_to_series(store, SeriesPlace("tuning", step), run_id)
    return file


def require(name: str) -> None:
    if find_spec(TRACKERS[name]) is None:
        if name == "tensorboard" or os.environ.get("LLMPROF_REQUIRE_TRACKERS") == "1":
            leave_out(f"pip install {name}")
        # Too much to be among the dependencies of the tests: `nox -s trackers` has them.
        pytest.skip(f"left out: pip install {name}")


def test_tensorboard(db: Path, tmp_path: Path) -> None:
    require("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert track_series(db, "tuning", f"tensorboard:{tmp_path / 'logs'}") == 3
    folder = tmp_path / "logs" / "series-tuning"
    read = EventAccumulator(str(folder))
    read.Reload()
    found = [(each.step, each.value) for each in read.Scalars(METRIC)]
    assert found == [*zip(STEPS, SHARES, strict=True)]
    low, high = (read.Scalars(f"{METRIC}/{end}")[0].value for end in ("ci_low", "ci_high"))
    assert low < 20 < high
    assert read.Scalars(f"{METRIC}/n")[0].value == 50
    assert "configuration/text_summary" in read.Tags()["tensors"]
    assert len(list(folder.glob("*.html"))) == 3
    # The same line again adds nothing.
    track_series(db, "tuning", f"tensorboard:{tmp_path / 'logs'}")
    read.Reload()
    assert len(read.Scalars(METRIC)) == 3


def test_mlflow(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    track_series(db, "tuning", f"mlflow:{address}")
    client = MlflowClient(address)
    experiment = client.get_experiment_by_name("llmprof")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    track_series(db, "tuning", f"mlflow:{address}")
    history = client.get_metric_history(run.info.run_id, METRIC)
    assert [(each.step, each.value) for each in history] == [*zip(STEPS, SHARES, strict=True)]
    assert run.data.params["options.max_new_tokens"] == "16"
    assert run.data.metrics[f"{METRIC}/ci_low"] < 80 < run.data.metrics[f"{METRIC}/ci_high"]
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["report.html"]


def test_trackio(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("trackio")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    from trackio.sqlite_storage import SQLiteStorage

    track_series(db, "tuning", "trackio:project")
    logs = SQLiteStorage.get_logs("project", "series tuning")
    assert [(each["step"], each[METRIC]) for each in logs] == [*zip(STEPS, SHARES, strict=True)]
    pages = SQLiteStorage.list_artifacts("project")
    assert len(pages) == 3 and all(each["name"].startswith("report-") for each in pages)


def test_wandb_offline(db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("wandb")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    track_series(db, "tuning", "wandb:project")
    found = {}
    for file in (tmp_path / "wandb").glob("offline-run-*/*.wandb"):
        for record in wandb_records(file.read_bytes()):
            if record.WhichOneof("record_type") == "history":
                items = {"/".join(each.nested_key) or each.key: each.value_json
                         for each in record.history.item}  # fmt: skip
                found[int(items["llmprof/step"])] = float(items[f"llmprof/{METRIC}"])
    assert found == dict(zip(STEPS, SHARES, strict=True))


def wandb_records(content: bytes) -> Any:
    """The records of an offline run: LevelDB's log format, after a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2

    place, whole = 7, b""
    while place + 7 <= len(content):
        left = 32_768 - place % 32_768
        if left < 7:
            place += left
            continue
        size = int.from_bytes(content[place + 4 : place + 6], "little")
        kind = content[place + 6]
        whole += content[place + 7 : place + 7 + size]
        place += 7 + size
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def test_what_cannot_be_tracked_is_one_clear_line(db: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="mlflow, tensorboard"):
        track_run(db, "", "nobody")
    for name, package in TRACKERS.items():
        if find_spec(package) is None:
            with pytest.raises(MissingDependencyError, match=rf"pip install .*\[{name}\]"):
                track_series(db, "tuning", name)
    if find_spec("tensorboard") is not None:
        (tmp_path / "file").write_text("")
        with pytest.raises(TrackerError, match=r"^tensorboard did not take run [^\n]*$"):
            track_series(db, "tuning", f"tensorboard:{tmp_path / 'file'}")
        with pytest.raises(TrackerError, match=r"--series tuning --to tensorboard` tries again$"):
            track_series(db, "tuning", f"tensorboard:{tmp_path / 'file'}")
