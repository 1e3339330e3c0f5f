"""One model in several languages: paired over the questions that are the same in both."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_mbbq
from llmprof.metrics.samples import Sample
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.bbq import Bbq
from llmprof.report.build import build_report
from llmprof.results import COMPLETE, ProfileResult, RunStart, Store, Work
from tests.profilers.questions import chosen


def stored(store: Store, language: str, right: bool, model: str = "m") -> str:
    """A run of a model that is always right, or always says the option after the right one."""
    profiler = Bbq(ProfilerOptions(bbq_language=language))
    options = {"bbq_language": language}
    run_id = store.begin_run(RunStart("profile", model, "scripted", {"options": options}, 0, {}))
    for dataset in load_mbbq(DataOptions(data="builtin"), language):
        samples: list[Sample] = []
        for item in dataset.items:
            samples += profiler.score(item, chosen((item.answer + (not right)) % 3))
        result = ProfileResult(
            profiler.name,
            profiler.version,
            dataset.name,
            dataset.source,
            dataset.sha256,
            demonstration=True,
            n_items=len(dataset.items),
            samples=samples,
            metrics=profiler.metrics(samples),
            work=Work(1, 0, 0, 0, 0, 1.0),
        )
        store.save_profile(run_id, result)
    store.finish_run(run_id, COMPLETE)
    return run_id


def remarks(db: Path, *runs: str) -> list[str]:
    return [each for each in build_report(db, runs, None).remarks if "less in" in each]


def test_results_in_two_languages_are_paired_over_the_same_questions(tmp_path: Path) -> None:
    db = tmp_path / "r.db"
    with Store(db) as store:
        runs = stored(store, "nl", right=True), stored(store, "es", right=False)
    found = remarks(db, *runs)
    assert len(found) == 2
    assert found[0].startswith("MBBQ in es less in nl, of m, over the 8 items that are the same: ")
    # They are of one template, from which nothing tells how much others vary.
    assert ": accuracy -100 (no interval); " in found[0]
    assert found[1].startswith("MBBQ's control questions in es less in nl")


@pytest.mark.parametrize("language", ["nl", "es"])
def test_other_models_and_one_language_are_not_compared(tmp_path: Path, language: str) -> None:
    db = tmp_path / "r.db"
    with Store(db) as store:
        runs = (
            stored(store, "nl", right=True),
            stored(store, language, right=False, model="another"),
        )
    assert remarks(db, *runs) == []
