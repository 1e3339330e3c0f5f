"""Which answer is the biased one, for every way in which the data label persons."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from llmprof.datasets import DataOptions, load_bbq
from llmprof.profilers.bbq_targets import biased_option, toolkit_biased_options
from tests.profilers.questions import QUESTION, question


@pytest.mark.parametrize(
    ("category", "target", "other", "stereotyped"),
    [
        ("Age", ("pensioner", "old"), ("pupil", "nonOld"), ["old"]),
        ("Age", ("pupil", "nonOld"), ("pensioner", "old"), ["nonOld"]),
        ("Disability_status", ("D", "disabled"), ("N", "nonDisabled"), ["disabled", "D/deaf"]),
        ("Gender_identity", ("woman", "woman"), ("man", "man"), ["F"]),
        ("Gender_identity", ("boy", "boy"), ("girl", "girl"), ["M"]),
        ("Gender_identity", ("Laura", "F"), ("Peter", "M"), ["Women"]),
        ("Gender_identity", ("T", "trans_F"), ("N", "nonTrans_F"), ["transgender women"]),
        ("Gender_identity", ("T", "trans_M"), ("N", "nonTrans_M"), ["transgender men", "trans"]),
        ("Nationality", ("German", "Europe"), ("Nigerian", "Africa"), ["German", "Swiss"]),
        ("Physical_appearance", ("sneakers", "negDress"), ("pantsuit", "posDress"), ["negDress"]),
        ("Race_ethnicity", ("B", "Black"), ("African", "African"), ["Black", "African American"]),
        ("Race_ethnicity", ("Aisha Booker", "F-Black"), ("Ann Smith", "F-White"), ["Black"]),
        ("Race_ethnicity", ("S", "M-Middle Eastern"), ("W", "M-White"), ["Middle Eastern"]),
        ("Race_x_SES", ("B", "lowSES-Black"), ("W", "highSES-White"), ["Black"]),
        ("Race_x_SES", ("B", "lowSES-M-Latino"), ("W", "highSES-M-White"), ["Hispanic", "Latino"]),
        ("Race_x_gender", ("B", "F-Black"), ("A", "M-Asian"), ["Black"]),
        ("Religion", ("{Muslim}", "Muslim"), ("Hindu", "Hindu"), ["Muslim"]),
        ("SES", ("dishwasher", "lowSES"), ("lawyer", "highSES"), ["low SES"]),
        ("Sexual_orientation", ("gay", "gay"), ("straight", "straight"), ["gay", "lesbian"]),
    ],
)  # fmt: skip
def test_negative_questions_target_the_stereotyped_person_and_others_do_not(
    category: str, target: tuple[str, str], other: tuple[str, str], stereotyped: list[str]
) -> None:
    for polarity, place in (("neg", 0), ("nonneg", 2)):
        asked = question(
            category, first=target, second=other, stereotyped=stereotyped, polarity=polarity
        )
        assert biased_option(asked) == place


def test_option_without_labels_is_told_by_its_words() -> None:
    asked = replace(
        question(
            "Race_x_gender", first=(), second=("White man", "M-White"), stereotyped=["Latino"]
        ),
        options=("The Latina woman", "Unknown", "The White man"),
    )
    assert biased_option(asked) == 0


def test_authors_analysis_wins_over_the_labels() -> None:
    assert biased_option(replace(QUESTION, target_location=0)) == 0


@pytest.mark.parametrize("stereotyped", [[], ["Black"], ["Asian"]])
def test_target_that_cannot_be_told_is_none(stereotyped: list[str]) -> None:
    # Both persons are Black; the data do not say which gender the stereotype is about.
    asked = question(
        "Race_x_gender", first=("a", "F-Black"), second=("b", "M-Black"), stereotyped=stereotyped
    )
    assert biased_option(asked) is None


def test_every_real_question_has_one_biased_answer_that_is_a_person(data_dir: Path) -> None:
    items = load_bbq(DataOptions(data_dir=data_dir)).items
    places = [biased_option(item) for item in items]
    assert None not in places
    assert all(place != item.unknown for item, place in zip(items, places, strict=True))
    # In a clear context the right answer follows the stereotype in half of the questions.
    clear = [
        item.answer == place
        for item, place in zip(items, places, strict=True)
        if item.condition == "disambig"
    ]
    assert 0.45 < sum(clear) / len(clear) < 0.55


def test_toolkit_finds_the_same_answers_in_the_real_data(data_dir: Path) -> None:
    for item in load_bbq(DataOptions(data_dir=data_dir)).items:
        assert toolkit_biased_options(item) == {biased_option(item)}


def test_toolkit_may_find_two_answers_or_none() -> None:
    both = question(
        "Race_ethnicity", first=("a", "F-Black"), second=("b", "F-White"), stereotyped=["Black"]
    )
    assert toolkit_biased_options(both) == set()
    assert toolkit_biased_options(replace(both, polarity="nonneg")) == {0, 2}


def test_toolkit_aliases_of_gender() -> None:
    asked = question(
        "Gender_identity",
        first=("T", "trans_F"),
        second=("N", "nonTrans_F"),
        stereotyped=["Transgender women"],
    )
    # It looks its alias up in lower case, and does not find it.
    assert toolkit_biased_options(asked) == set()
    asked = question(
        "Gender_identity", first=("man", "man"), second=("woman", "woman"), stereotyped=["F"]
    )
    assert toolkit_biased_options(asked) == {2}


def test_conditions_and_polarities_are_balanced_in_the_real_data(data_dir: Path) -> None:
    items = load_bbq(DataOptions(data_dir=data_dir)).items
    counts = Counter((item.condition, item.polarity) for item in items)
    assert set(counts.values()) == {len(items) // 4}
