"""What is exported for the Hub is read by the Hub's own client."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import EvalResultEntry, ModelCardData
from huggingface_hub import parse_eval_result_entries as parse

from llmprof.errors import LlmprofError, UnknownNameError
from llmprof.jobs.hub_results import hub_results
from llmprof.results import RunStart, Store
from tests.report.databases import add_run, pairs

SOURCE = "hub:org/pairs@0123abc/data/pairs.csv"


def test_model_index(tmp_path: Path) -> None:
    db = tmp_path / "llmprof.db"
    add_run(db, "org/model: <odd> \x1b[31m", pairs([1.0] * 20 + [0.0] * 30))
    text = hub_results(db, "", "model-index")
    card = ModelCardData(**{"model-index": yaml.safe_load(text)["model-index"]})
    assert card.eval_results is not None
    by_metric = {each.metric_type: each for each in card.eval_results}
    score = by_metric["stereotype_score"]
    assert score.metric_value == 40.0
    assert score.metric_args is not None
    assert score.metric_args["ci_low"] < 40 < score.metric_args["ci_high"]
    assert score.metric_args["n"] == 50
    assert "\x1b" not in text


def test_eval_results(tmp_path: Path) -> None:
    db = tmp_path / "llmprof.db"
    result = replace(pairs([1.0] * 20 + [0.0] * 30).result(None), source=SOURCE)
    with Store(db) as store:
        run_id = store.begin_run(RunStart("profile", "model", "made", {}, 0, {}))
        store.save_profile(run_id, result)
        store.finish_run(run_id, "complete")
    entries = parse(yaml.safe_load(hub_results(db, run_id, "eval-results")))
    assert all(isinstance(each, EvalResultEntry) for each in entries)
    first = entries[0]
    assert (first.dataset_id, first.dataset_revision) == ("org/pairs", "0123abc")
    assert (first.task_id, first.value) == ("data/stereotype_score", 40.0)
    assert first.notes is not None and "95% interval" in first.notes and "n = 50" in first.notes


def test_what_cannot_be_exported_is_one_clear_line(tmp_path: Path) -> None:
    db = tmp_path / "llmprof.db"
    add_run(db, "model", pairs([1.0, 0.0]))
    with pytest.raises(LlmprofError, match="no result on a data set of the Hub"):
        hub_results(db, "", "eval-results")
    with pytest.raises(UnknownNameError, match="model-index, eval-results"):
        hub_results(db, "", "yaml")
    add_run(db, "empty")
    with pytest.raises(LlmprofError, match=r"^[^\n]+$"):
        hub_results(db, "empty", "model-index")
