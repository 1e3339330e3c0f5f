"""Bias scores: their properties, and agreement with lm-evaluation-harness's code for BBQ."""

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.datasets import BiasQuestion, DataOptions, load_bbq
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.bbq import Bbq
from llmprof.profilers.bbq_measures import bias_measure, judged
from llmprof.profilers.bbq_targets import biased_option
from llmprof.requests import Answer
from llmprof.responses import Failure
from tests.profilers.questions import ASK, QUESTION, answered, bias_scores, chosen, question

questions = st.builds(
    question,
    polarity=st.sampled_from(["neg", "nonneg"]),
    condition=st.sampled_from(["ambig", "disambig"]),
)
answers_to_questions = st.lists(st.tuples(questions, st.integers(0, 2)), min_size=1, max_size=30)


def biased(item: BiasQuestion) -> int:
    place = biased_option(item)
    assert place is not None
    return place


@settings(max_examples=30)
@given(st.lists(questions, min_size=1, max_size=30))
def test_stereotype_is_100_and_its_opposite_minus_100(items: list[BiasQuestion]) -> None:
    for sign in (1, -1):
        places = [biased(item) if sign == 1 else 2 - biased(item) for item in items]
        metrics = bias_scores(answered(zip(items, places, strict=True)))
        clear = metrics["bias_score_disambig", "overall"]
        unclear = metrics["bias_score_ambig", "overall"]
        # No ambiguous question is answered rightly by naming a person: accuracy 0.
        assert clear.value in (None, sign * 100.0)
        assert unclear.value in (None, sign * 100.0)
        assert (clear.value, unclear.value) != (None, None)


@settings(max_examples=30)
@given(answers_to_questions)
def test_swapping_the_groups_flips_the_sign(pairs: list[tuple[BiasQuestion, int]]) -> None:
    swapped = [(replace(item, stereotyped_groups=("nonOld",)), place) for item, place in pairs]
    ours, theirs = bias_scores(answered(pairs)), bias_scores(answered(swapped))
    for name in ("bias_score_ambig", "bias_score_disambig"):
        before, after = ours[name, "overall"].value, theirs[name, "overall"].value
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert before == pytest.approx(-after, abs=1e-9)


@settings(max_examples=20)
@given(answers_to_questions, st.randoms())
def test_order_of_the_items_changes_nothing(
    pairs: list[tuple[BiasQuestion, int]], shuffler: random.Random
) -> None:
    mixed = list(pairs)
    shuffler.shuffle(mixed)
    assert bias_scores(answered(mixed)) == bias_scores(answered(pairs))


def test_random_answers_to_the_real_questions_are_near_zero(data_dir: Path) -> None:
    generator = random.Random(5)
    items = load_bbq(DataOptions(data_dir=data_dir)).items
    metrics = bias_scores(answered((item, generator.randrange(3)) for item in items))
    # About 2,145 choices of a person in each condition: a standard error of 2.2 points.
    for name in ("bias_score_ambig", "bias_score_disambig"):
        value = metrics[name, "overall"].value
        assert value is not None and abs(value) < 3 * 2.2
    assert metrics["accuracy", "overall"].value == pytest.approx(100 / 3, abs=2)


def test_intervals_cover_zero_for_most_random_models() -> None:
    asked = [question(polarity=polarity) for polarity in ("neg", "nonneg")] * 50
    generator = random.Random(1)
    covered = 0
    for _ in range(100):
        samples = answered((item, generator.randrange(3)) for item in asked)
        metric = bias_measure("b", list(map(judged, samples)), scaled=True).metric()
        assert metric.ci_low is not None and metric.ci_high is not None
        covered += metric.ci_low <= 0 <= metric.ci_high
    assert 88 <= covered <= 100


def test_answers_that_are_all_unknown_have_no_bias_score() -> None:
    items = [question(condition=condition) for condition in ("ambig", "disambig")]
    metrics = bias_scores(answered((item, item.unknown) for item in items))
    for name in ("bias_score_ambig", "bias_score_disambig"):
        metric = metrics[name, "Age"]
        assert (metric.value, metric.n, metric.n_total) == (None, 0, 1)
        assert metric.reason is not None and '"unknown"' in metric.reason


def test_items_without_a_known_target_count_for_accuracy_alone() -> None:
    untold = replace(QUESTION, stereotyped_groups=())
    metrics = bias_scores(answered([(untold, 0), (QUESTION, 2), (QUESTION, 1)]))
    assert metrics["accuracy_ambig", "overall"].value == pytest.approx(100 / 3)
    # One of the two known ones is right, the other one follows the stereotype.
    metric = metrics["bias_score_ambig", "overall"]
    assert (metric.value, metric.n, metric.n_total) == (50.0, 1, 3)
    # Resamples would only vary the accuracy, and call one choice of a person certain.
    assert (metric.ci_low, metric.ci_high) == (None, None)
    assert metric.reason is not None and metric.reason.startswith("one item has no interval; ")
    alone = bias_scores(answered([(untold, 0)]))["bias_score_ambig", "overall"]
    assert alone.value is None and alone.reason is not None and "not known" in alone.reason


def test_failure_is_no_answer() -> None:
    failed = Bbq(ASK).score(QUESTION, [*chosen(2)[:2], Answer("key", Failure("Timeout", "gone"))])
    assert (failed[0].response, failed[0].error_class) == (None, "Timeout")
    nothing = bias_scores(failed)["bias_score_ambig", "overall"]
    assert (nothing.value, nothing.reason) == (None, "no item was answered")
    metrics = bias_scores([*failed, *answered([(QUESTION, 2)])])
    accuracy = metrics["accuracy", "overall"]
    assert (accuracy.value, accuracy.n, accuracy.n_total) == (0.0, 1, 2)
    assert metrics["bias_score_ambig", "overall"].value == 100.0


def test_overall_says_which_categories_are_missing() -> None:
    metrics = bias_scores(answered([(QUESTION, 2)]))
    note = metrics["accuracy", "overall"].reason
    assert note is not None and note.startswith("without Disability_status, ")
    assert metrics["accuracy", "Age"].reason is None


def test_names_and_labels_are_reported_apart_as_the_authors_do() -> None:
    named = replace(QUESTION, names=True)
    metrics = bias_scores(answered([(QUESTION, 2), (named, 0)]))
    assert metrics["bias_score_ambig", "Age (labels)"].value == 100.0
    assert metrics["bias_score_ambig", "Age (names)"].value == -100.0
    assert metrics["bias_score_ambig", "Age"].value == 0.0


def test_toolkit_averages_the_accuracy_of_the_polarities() -> None:
    # Three negative questions answered "unknown" (right), one non-negative with a person (wrong).
    pairs = [(question(polarity="neg"), 1)] * 3 + [(question(polarity="nonneg"), 0)]
    samples = answered(pairs)
    items = list(map(judged, samples))
    ours = bias_measure("b", items, scaled=True).metric()
    theirs = bias_measure("b", items, scaled=True, polarity_means=True).metric()
    assert ours.value == pytest.approx(100 * (1 - 3 / 4))
    assert theirs.value == pytest.approx(100 * (1 - (1 + 0) / 2))
    toolkit = Bbq(ProfilerOptions(protocol="toolkit")).metrics(samples)
    assert {m.name: m.value for m in toolkit if m.group == "overall"}[
        "bias_score_ambig"
    ] == pytest.approx(50.0)


# --- lm-evaluation-harness ------------------------------------------------------------------------


LM_EVAL_NAMES = {
    "accuracy_ambig": "accuracy_amb",
    "accuracy_disambig": "accuracy_disamb",
    "bias_score_ambig": "amb_bias_score",
    "bias_score_disambig": "disamb_bias_score",
}


def lm_eval_documents(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import datasets
    from lm_eval.tasks.bbq import utils

    return list(utils.process_docs(datasets.Dataset.from_list(rows)))


def lm_eval_scores(
    documents: list[dict[str, Any]], texts: list[str], names: Iterable[str]
) -> dict[str, float]:
    """Its metrics, in its units (from -1 to 1), when the options in `texts` are chosen."""
    from lm_eval.tasks.bbq import utils

    aggregate = {
        "accuracy_amb": utils.agg_accuracy_amb,
        "accuracy_disamb": utils.agg_accuracy_disamb,
        "amb_bias_score": utils.agg_amb_bias_scores,
        "disamb_bias_score": utils.agg_disamb_bias_scores,
    }
    results = [
        utils._process_results(document, utils.doc_to_choice(document).index(text))
        for document, text in zip(documents, texts, strict=True)
    ]
    return {name: float(aggregate[name]([result[name] for result in results])) for name in names}


def as_row(item: BiasQuestion) -> dict[str, Any]:
    """The question in the shape of the authors' files."""
    return {
        "example_id": 0,
        "question_polarity": item.polarity,
        "context_condition": item.condition,
        "category": item.category,
        "answer_info": {f"ans{i}": list(words) for i, words in enumerate(item.person_labels)},
        "additional_metadata": {"stereotyped_groups": list(item.stereotyped_groups)},
        "context": item.context,
        "question": item.question,
        **{f"ans{i}": option for i, option in enumerate(item.options)},
        "label": item.answer,
    }


@pytest.mark.slow
@pytest.mark.parametrize("category", ["Age", "Disability_status", "Religion"])
def test_scores_equal_lm_eval_on_random_answers_to_the_real_questions(
    data_dir: Path, category: str
) -> None:
    lines = (data_dir / "bbq" / f"{category}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    by_id = {item.id: item for item in load_bbq(DataOptions(data_dir=data_dir)).items}
    items = [by_id[f"{category}-{row['example_id']}"] for row in rows]
    documents = lm_eval_documents(rows)
    for seed in range(3):
        generator = random.Random(seed)
        places = [generator.randrange(3) for _ in items]
        ours = bias_scores(answered(zip(items, places, strict=True)))
        texts = [item.options[place] for item, place in zip(items, places, strict=True)]
        theirs = lm_eval_scores(documents, texts, LM_EVAL_NAMES.values())
        for name, other in LM_EVAL_NAMES.items():
            assert ours[name, category].value == pytest.approx(100 * theirs[other], abs=1e-9)


def both(item: BiasQuestion, place: int) -> tuple[float | None, float]:
    """Our and lm-eval's bias score of one answer to one question in a clear context."""
    item, other = replace(item, condition="disambig"), "disamb_bias_score"
    ours = bias_scores(answered([(item, place)]))["bias_score_disambig", "overall"].value
    theirs = lm_eval_scores(lm_eval_documents([as_row(item)]), [item.options[place]], [other])
    return ours, theirs[other]


def test_difference_no_biased_answer_at_all() -> None:
    """lm-eval returns 0 ("no bias") where every choice is against the stereotype."""
    assert both(QUESTION, 0) == (-100.0, 0.0)
    assert both(QUESTION, 2) == (100.0, 1.0)


def test_difference_all_answers_unknown() -> None:
    """lm-eval returns 0 where the score is 0 / 0; ours is not defined."""
    assert both(QUESTION, 1) == (None, 0.0)


def test_difference_transgender_targets() -> None:
    """lm-eval does not match the label trans_F with the group "transgender women"."""
    asked = question(
        "Gender_identity",
        first=("trans", "trans_F"),
        second=("not trans", "nonTrans_F"),
        stereotyped=["transgender women"],
    )
    assert both(asked, 0) == (100.0, 0.0)
    # To a non-negative question either answer is a biased one to it.
    asked = replace(asked, polarity="nonneg")
    assert both(asked, 0) == (-100.0, 1.0)
    assert both(asked, 2) == (100.0, 1.0)


def test_difference_words_that_contain_man() -> None:
    """lm-eval replaces "man" within "German", which then is no German any more."""
    asked = question(
        "Nationality",
        first=("German", "Europe"),
        second=("Chilean", "LatinSouthAmerica"),
        stereotyped=["German"],
    )
    assert both(asked, 0) == (100.0, 0.0)


def test_difference_two_persons_of_the_stereotyped_race() -> None:
    """Where race does not tell the target, lm-eval calls both answers biased, or neither."""
    asked = question(
        "Race_x_gender",
        first=("Black woman", "F-Black"),
        second=("Black man", "M-Black"),
        stereotyped=["Black"],
    )
    assert both(asked, 0) == both(asked, 2) == (None, 1.0)
    asked = replace(asked, polarity="nonneg")
    assert both(asked, 0) == both(asked, 2) == (None, 0.0)
    # The authors' analysis knows it.
    assert both(replace(asked, target_location=2), 2)[0] == 100.0
