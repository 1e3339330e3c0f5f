import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llmprof.errors import StoreError
from llmprof.metrics.samples import Sample
from llmprof.profilers import SampleView, presentation_of
from llmprof.report.html.packed_samples import MAXIMUM_CHARACTERS, SampleSet, packed_samples
from llmprof.results import Store
from tests.report.html.reports import save


def packed(db: Path, profiler: str, *run_ids: str, limit: int = 100) -> dict[str, Any]:
    view = presentation_of(profiler).samples
    sets = [
        SampleSet(place, run_id, profiler, "data", view) for place, run_id in enumerate(run_ids)
    ]
    with Store(db, read_only=True) as store:
        return packed_samples(store, sets, limit=limit)


def items(found: dict[str, Any]) -> list[str]:
    return list(found["samples"]["item"])


def sample(name: str, response: str | None = "text", **scores: float | None) -> Sample:
    return Sample(name, "prompt", response, scores)


def order(tmp_path: Path, profiler: str, samples: Sequence[Sample]) -> list[str]:
    db = tmp_path / "a.db"
    return items(packed(db, profiler, save(db, profiler, samples)))


def test_most_toxic_first_and_unscored_last(tmp_path: Path) -> None:
    samples = [sample("low", TOXICITY=0.1), sample("none"), sample("high", TOXICITY=0.9)]
    assert order(tmp_path, "toxicity", samples) == ["high", "low", "none"]


def test_of_several_runs_unscored_samples_come_last_too(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    failed = save(db, "toxicity", [sample("none")])
    scored = save(db, "toxicity", [sample("high", TOXICITY=0.9), sample("low", TOXICITY=0.1)])
    assert items(packed(db, "toxicity", failed, scored)) == ["high", "low", "none"]


def test_bbq_wrong_answers_with_the_stereotype_by_their_lead(tmp_path: Path) -> None:
    def answer(name: str, correct: float, biased: float | None, *scores: float) -> Sample:
        options = {f"score_{place}": score for place, score in enumerate(scores)}
        return sample(name, correct=correct, biased=biased, **options)

    samples = [
        answer("right", 1, 1, -1, -9, -9),
        answer("against", 0, 0, -2, -4, -8),
        answer("sure", 0, 1, -1, -7, -9),
        answer("unsure", 0, 1, -8, -2, -3),
        answer("unknown", 0, None, -1, -7, -9),
    ]
    found = order(tmp_path, "bbq", samples)
    assert found[:3] == ["sure", "unsure", "against"]
    assert set(found[3:]) == {"right", "unknown"}


def test_pairs_by_how_much_likelier_the_stereotype_is(tmp_path: Path) -> None:
    crows = [
        sample("less", log_likelihood_more=-9, log_likelihood_less=-8),
        sample("more", log_likelihood_more=-4, log_likelihood_less=-8),
    ]
    assert order(tmp_path, "crows_pairs", crows) == ["more", "less"]
    candidates = json.dumps({"stereotype": {"sentence": "a"}, "anti-stereotype": {"sentence": "b"}})
    stereoset = [
        sample("less", candidates, **{"stereotype": -3, "anti-stereotype": -2}),
        sample("more", candidates, **{"stereotype": -2, "anti-stereotype": -3}),
    ]
    assert order(tmp_path / "..", "stereoset", stereoset) == ["more", "less"]


def test_wrong_and_confident_first(tmp_path: Path) -> None:
    samples = [
        sample("right", correct_raw=1, confidence_raw=0.99),
        sample("doubtful", correct_raw=0, confidence_raw=0.3),
        sample("sure", correct_raw=0, confidence_raw=0.8),
    ]
    assert order(tmp_path, "calibration", samples) == ["sure", "doubtful", "right"]


def test_unknown_profiles_keep_the_order_of_the_data(tmp_path: Path) -> None:
    assert order(tmp_path, "someone's", [sample("b", x=1), sample("a", x=2)]) == ["b", "a"]


def test_a_cap_takes_the_first_of_each_run_alike(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    many = [sample(f"many-{place}", TOXICITY=1 - place / 100) for place in range(20)]
    few = [sample(f"few-{place}", TOXICITY=0.5 - place / 100) for place in range(2)]
    runs = save(db, "toxicity", many), save(db, "toxicity", few)
    found = packed(db, "toxicity", *runs, limit=6)
    assert found["total"] == 22
    assert items(found) == ["many-0", "few-0", "many-1", "few-1", "many-2", "many-3"]


def test_texts_are_stored_once_and_long_ones_cut(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    long_text = "x" * (MAXIMUM_CHARACTERS + 1)
    run_id = save(db, "textual", [sample("a", long_text), sample("b", "text"), sample("c", None)])
    found = packed(db, "textual", run_id)
    assert found["texts"] == ["prompt", "x" * MAXIMUM_CHARACTERS, "text"]
    assert found["lengths"] == {1: MAXIMUM_CHARACTERS + 1}
    assert found["samples"]["prompt"] == [0, 0, 0]
    assert found["samples"]["response"] == [1, 2, None]


def test_scores_follow_the_names_of_their_set(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    run_id = save(db, "textual", [sample("a", x=1.0), sample("b", y=2.0, x=None)])
    found = packed(db, "textual", run_id)
    assert found["sets"][0]["scores"] == ["x", "y"]
    assert found["samples"]["scores"] == [[1.0], [None, 2.0]]


def test_candidates_are_shown_as_lines(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    response = json.dumps({"stereotype": {"sentence": "A."}, "unrelated": {"sentence": "B."}})
    run_id = save(db, "stereoset", [sample("a", response)])
    assert "stereotype: A.\nunrelated: B." in packed(db, "stereoset", run_id)["texts"]


def test_no_set_no_samples(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    save(db, "textual", [sample("a")])
    assert packed(db, "textual")["total"] == 0


def test_what_a_profile_cannot_rank_or_read_comes_last_and_as_it_is(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    view = SampleView(
        rank=lambda scores: 1 / (scores["x"] or 0.0), text=lambda text: str(int(text))
    )
    samples = [sample("no score"), sample("undefined", x=None), sample("low", "007", x=4.0)]
    samples += [sample("infinite", x=5e-324), sample("high", x=2.0)]
    sets = [SampleSet(0, save(db, "p", samples), "p", "data", view)]
    with Store(db, read_only=True) as store:
        found = packed_samples(store, sets)
    assert items(found)[:2] == ["high", "low"]
    assert found["samples"]["rank"] == [0.5, 0.25, None, None, None]
    assert {"7", "text"} <= set(found["texts"])


def test_damaged_scores_are_named(tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    run_id = save(db, "textual", [sample("a", x=1.0), sample("b", x=2.0)])
    with sqlite3.connect(db) as connection:
        connection.execute("UPDATE samples SET scores = '{' WHERE sample_id = 'b'")
    with pytest.raises(StoreError, match="scores of sample 'b' is not JSON"):
        packed(db, "textual", run_id)
