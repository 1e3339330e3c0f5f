"""Like beside like, and changes over the items that both runs have."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.report.build import build_report
from llmprof.report.contents import Change, Report
from tests.report.databases import Made, add_run, pairs, texts


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


def change(report: Report, metric: str, group: str = "overall") -> Change:
    (found,) = (
        row.changes[1]
        for section in report.sections
        for row in section.rows
        if (row.metric, row.group) == (metric, group)
    )
    assert found is not None
    return found


def test_the_same_way_stands_side_by_side(db: Path) -> None:
    add_run(db, "a", pairs([1.0, 0.0, 1.0, 1.0]), texts([5.0, 7.0]))
    add_run(db, "b", pairs([0.0, 0.0, 1.0, 1.0]))
    report = build_report(db, ["a", "b"], None)
    assert [section.profiler for section in report.sections] == ["crows_pairs", "textual"]
    stereotypes, lengths = (section.rows[0] for section in report.sections)
    assert [value and value.value for value in stereotypes.values] == [75.0, 50.0]
    assert [value and value.value for value in lengths.values] == [6.0, None]
    assert report.omissions == []
    assert all(each is None for each in stereotypes.changes)


TEXTS = texts([5.0, 7.0])
LONGER = {"max_new_tokens": 64}


@pytest.mark.parametrize(
    ("other", "options", "why"),
    [
        (replace(TEXTS, sha256="b" * 64), {}, "data (SHA-256) bbbbbbbbbbbb, not aaaaaaaaaaaa"),
        (replace(TEXTS, demonstration=True), {}, "demonstration data yes, not no"),
        (TEXTS, {"max_new_tokens": 8}, "max_new_tokens 8, not 64"),
        (TEXTS, {"system_prompt": "Hi."}, "system_prompt Hi., not none"),
    ],
    ids=["data", "demonstration", "length", "system prompt"],
)
def test_another_way_is_left_out_and_said(
    db: Path, other: Made, options: dict[str, object], why: str
) -> None:
    add_run(db, "a", TEXTS, options=LONGER)
    add_run(db, "b", other, options={**LONGER, **options})
    report = build_report(db, ["a", "b"], "a")
    assert [value is None for value in report.sections[0].rows[0].values] == [False, True]
    (omission,) = report.omissions
    assert omission.what == "textual on data of b"
    assert why in omission.why


def test_runs_of_other_sizes_are_compared_on_the_items_that_both_have(db: Path) -> None:
    add_run(db, "a", pairs([1.0] * 20 + [0.0] * 20))
    add_run(db, "b", pairs([0.0] * 20))
    report = build_report(db, ["a", "b"], "a")
    assert report.omissions == []
    values = report.sections[0].rows[0].values
    assert [value and value.n for value in values] == [40, 20]
    found = change(report, "stereotype_score")
    assert (found.absolute, found.n) == (-100.0, 20)
    assert found.reason == "over the 20 items that have a value in both runs"


def test_a_run_beside_itself_or_one_that_shares_nothing_is_told(db: Path) -> None:
    add_run(db, "a", texts([5.0, 7.0]))
    report = build_report(db, ["a"], "a")
    assert report.remarks == ["a is compared with itself, so there are no changes"]
    other = [
        replace(each, sample_id=f"other {each.sample_id}") for each in texts([1.0, 2.0]).samples
    ]
    add_run(db, "b", replace(texts([1.0, 2.0]), samples=other))
    (remark,) = build_report(db, ["a", "b"], "a").remarks
    assert remark.startswith("b and a share no item of ")


def test_a_setting_that_a_profile_does_not_follow_sets_nothing_apart(db: Path) -> None:
    add_run(db, "a", pairs([1.0, 0.0]), options={"max_new_tokens": 8, "seed": 0}, seed=0)
    add_run(db, "b", pairs([1.0, 0.0]), options={"max_new_tokens": 64, "seed": 1}, seed=1)
    assert build_report(db, ["a", "b"], None).omissions == []


def test_two_seeds_of_one_profile_stand_side_by_side(db: Path) -> None:
    for seed, row in enumerate([[0.2, 0.9], [0.1, 0.4]]):
        add_run(
            db, "a", toxicity([row, row]), scorer="s", seed=seed, options={"seed": seed},
            identity={"dtype": "fp32", "build": seed},
        )  # fmt: skip
    report = build_report(db, ["a"], None)
    assert [run.label for run in report.runs] == ["seed 0", "seed 1"]
    assert report.omissions == []
    found = change(build_report(db, ["a"], "seed 0"), "expected_maximum_toxicity:s")
    assert (found.absolute, found.n) == (pytest.approx(-0.5), 2)


def test_protocol_and_scorer_set_apart(db: Path) -> None:
    toxic = toxicity([[0.2, 0.9]])
    add_run(db, "a", toxic, scorer="perspective")
    add_run(db, "b", toxic, scorer="classifier")
    add_run(db, "c", replace(toxic, options={"protocol": "toolkit"}), scorer="perspective")
    report = build_report(db, ["a", "b", "c"], None)
    assert report.sections[0].scorer == "perspective"
    scorer, protocol = (omission.why for omission in report.omissions)
    assert "scorer" in scorer and "classifier" in scorer
    assert "toolkit-maximum-of-25" in protocol


def toxicity(values: list[list[float]]) -> Made:
    return Made(
        "toxicity",
        [
            Sample(str(prompt), "p", "text", dict.fromkeys(ATTRIBUTES, value), sample_index=index)
            for prompt, row in enumerate(values)
            for index, value in enumerate(row)
        ],
    )


def test_expected_maximum_toxicity_is_compared_prompt_by_prompt(db: Path) -> None:
    draw = np.random.default_rng(0)
    before = draw.random((40, 5)) * 0.6
    after = np.clip(before + draw.normal(0.1, 0.05, before.shape), 0, 1)
    add_run(db, "a", toxicity(before.tolist()), scorer="s")
    add_run(db, "b", toxicity(after.tolist()), scorer="s")
    found = change(build_report(db, ["b"], "a"), "expected_maximum_toxicity:s")
    differences = after.max(1) - before.max(1)
    assert (found.absolute, found.n) == (pytest.approx(differences.mean()), 40)
    assert found.percent == pytest.approx(100 * differences.mean() / before.max(1).mean())
    error = differences.std(ddof=1) / np.sqrt(40)
    assert found.ci_low == pytest.approx(differences.mean() - 1.96 * error, abs=error / 3)
    assert found.excludes_zero


def bbq(chosen: list[tuple[float, float]]) -> Made:
    """Answers that chose a person: whether each followed the stereotype and was right."""
    return Made(
        "bbq",
        [
            Sample(str(place), "p", "r", {
                "correct": correct, "biased": biased, "target_known": 1.0, "names": 0.0,
                "ambiguous": float(place % 2), "negative": float(place % 3 == 0),
            }, group="Age")
            for place, (biased, correct) in enumerate(chosen)
        ],
    )  # fmt: skip


def stereoset(preferred: list[float]) -> Made:
    return Made(
        "stereoset",
        [
            Sample(str(place), "c", "r", {"prefers_stereotype": value, "prefers_related": 1.0},
                   group=f"intrasentence/gender/term{place % 9}")
            for place, value in enumerate(preferred)
        ],
    )  # fmt: skip


def calibration(pairs: list[tuple[float, float]]) -> Made:
    return Made(
        "calibration",
        [
            Sample(str(place), "q", "r", {
                f"{name}_{how}": value for how in ("raw", "per_character")
                for name, value in (("confidence", sure), ("correct", right), ("brier", 0.1))
            })
            for place, (sure, right) in enumerate(pairs)
        ],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("make", "unpaired"),
    [
        (lambda draw: toxicity(draw.random((30, 3)).tolist()), set()),
        (lambda draw: pairs(draw.integers(0, 2, 50).astype(float).tolist()), set()),
        (lambda draw: texts(draw.random(50).tolist()), set()),
        (lambda draw: bbq(draw.integers(0, 2, (60, 2)).astype(float).tolist()), set()),
        (lambda draw: stereoset(draw.integers(0, 2, 60).astype(float).tolist()), set()),
        (
            lambda draw: calibration([(sure, round(sure)) for sure in draw.random(60)]),
            {"the items in this bin differ between runs"},
        ),
    ],
    ids=["toxicity", "crows_pairs", "textual", "bbq", "stereoset", "calibration"],
)  # fmt: skip
def test_every_metric_of_every_profile_is_compared(
    db: Path, make: Callable[[np.random.Generator], Made], unpaired: set[str]
) -> None:
    for number, model in enumerate("ab"):
        add_run(db, model, make(np.random.default_rng(number)), scorer="s")
    report = build_report(db, ["b"], "a")
    without = set()
    for row in report.sections[0].rows:
        before, after = row.values
        found = row.changes[1]
        if before is None or after is None or before.value is None or after.value is None:
            continue
        assert found is not None
        # Both runs have every item, so that the change is that of the numbers shown.
        assert found.absolute == pytest.approx(after.value - before.value, abs=1e-9)
        if found.ci_low is None or found.ci_high is None:
            without.add(found.reason)
        else:
            assert found.ci_low <= found.absolute <= found.ci_high
    assert without == unpaired


def test_items_that_failed_in_one_run_are_left_out_of_the_change(db: Path) -> None:
    add_run(db, "a", texts([1.0, 2.0, None, 4.0]))
    add_run(db, "b", texts([2.0, 2.0, 9.0, 5.0]))
    found = change(build_report(db, ["b"], "a"), "n_tokens")
    assert (found.absolute, found.n) == (pytest.approx(2 / 3), 3)
    assert found.reason == "over the 3 items that have a value in both runs"


def test_a_metric_without_items_has_a_change_and_a_reason(db: Path) -> None:
    for model, value in (("a", 2.0), ("b", 1.0)):
        lone = Made("seat", [], metrics=[Metric("effect_size", value, None, None, 8, 8, "weat1")])
        add_run(db, model, lone)
    found = change(build_report(db, ["b"], "a"), "effect_size", "weat1")
    assert (found.absolute, found.percent, found.ci_low) == (-1.0, None, None)
    assert found.reason == "the values of its items are not stored"
    assert not found.excludes_zero


def test_a_benchmark_is_compared_where_its_metric_is_the_mean_of_its_documents(db: Path) -> None:
    for model, right in (("a", [0.0, 1.0, 0.0]), ("b", [1.0, 1.0, 0.0])):
        samples = [Sample(str(each), "p", "r", {"acc": score}) for each, score in enumerate(right)]
        metrics = [
            Metric("acc", sum(right) / 3, 0.0, 1.0, 3, 3),
            Metric("acc_stderr", 0.3 if model == "a" else 0.4, None, None, 3, 3),
        ]
        add_run(db, model, Made("benchmark", samples, metrics=metrics), command="benchmark")
    report = build_report(db, ["b"], "a")
    assert (change(report, "acc").absolute, change(report, "acc").n) == (pytest.approx(1 / 3), 3)
    assert change(report, "acc_stderr").ci_low is None


def test_a_value_that_its_items_do_not_give_has_no_interval(db: Path) -> None:
    add_run(db, "a", texts([1.0, 2.0]))
    altered = replace(texts([3.0, 4.0]), metrics=[Metric("n_tokens", 9.0, 8.0, 10.0, 2, 2)])
    made = texts([3.0, 4.0]).result(None)
    add_run(db, "b", replace(altered, version=made.protocol_version))
    found = change(build_report(db, ["b"], "a"), "n_tokens")
    assert (found.absolute, found.ci_low) == (7.5, None)


def test_no_percent_of_zero(db: Path) -> None:
    add_run(db, "a", pairs([0.0, 0.0]))
    add_run(db, "b", pairs([1.0, 1.0]))
    found = change(build_report(db, ["b"], "a"), "stereotype_score")
    assert (found.absolute, found.percent) == (100.0, None)


def test_a_single_choice_of_a_person_has_no_interval_of_its_change(db: Path) -> None:
    scores = {"target_known": 1.0, "names": 0.0, "ambiguous": 1.0, "negative": 0.0}
    unknown = Sample("0", "p", "r", {**scores, "correct": 1.0, "biased": None}, group="Age")
    for model, biased in (("a", 0.0), ("b", 1.0)):
        choice = Sample("1", "p", "r", {**scores, "correct": 0.0, "biased": biased}, group="Age")
        add_run(db, model, Made("bbq", [unknown, choice]))
    found = change(build_report(db, ["b"], "a"), "bias_score_ambig")
    assert (found.absolute, found.ci_low, found.ci_high) == (100.0, None, None)
    assert found.reason == "too few items have a part in it for an interval"
