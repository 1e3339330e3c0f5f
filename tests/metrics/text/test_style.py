"""Style: counts of small texts by hand, and what other languages have."""

import pytest

from llmprof.backends.text_metrics.pipelines import find_pipeline
from llmprof.backends.text_metrics.spacy_reader import TextReader
from llmprof.errors import UsageError
from llmprof.metrics.text import ENGLISH_ONLY, NAMES, chosen_names, describe, reads_of

STYLE = [name for name in NAMES if name.startswith("style_")]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> TextReader:
    return TextReader(find_pipeline(), reads_of(STYLE), tmp_path_factory.mktemp("text_metrics"))


def counts(reader: TextReader, text: str) -> dict[str, int]:
    """How often each is in the text: the values are per 100 words."""
    (document,) = reader.documents([text])
    values = describe(document, STYLE)
    words = document.read_tokens.n_words
    return {
        name.removeprefix("style_"): round(value if name == "style_opener" else value * words / 100)
        for name, value in values.items()
        if value
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Title\n\n## Part two\nPlain # text.", {"headings": 2}),
        ("- one\n* two\n  + three\n4. four\n5) five\n-six", {"list_items": 5}),
        ("This is **very** and __really__ bold, 2 ** 3 is not.", {"bold": 2}),
        ("Run `ls`, then:\n```sh\n# no heading\n- no item **x**\n```\nDone.", {"code": 2}),
        ("| a | b |\n|---|---|\n| 1 | 2 |", {"table_rows": 3}),
        ("Hi \U0001f600\U0001f44d\U0001f3fd, friend \U0001f468\u200d\U0001f467", {"emoji": 3}),
        ("What? No! Never!", {"question_marks": 1, "exclamation_marks": 2}),
        ("My dog and I like your cat.", {"first_person": 2, "second_person": 1}),
        ("It may perhaps rain; they seem to mind.", {"hedges": 3}),
        ("Sure, here it is.", {"opener": 1}),
        ("Surely not.", {}),
        ("That\u2019s a great plan, says the cook.", {"opener": 1}),
        ("Mice sleep.", {}),
    ],
)  # fmt: skip
def test_counts(reader: TextReader, text: str, expected: dict[str, int]) -> None:
    assert counts(reader, text) == expected


def test_a_text_without_words_has_none(reader: TextReader) -> None:
    (document,) = reader.documents([""])
    assert set(describe(document, STYLE).values()) == {None}


def test_english_metrics_are_absent_from_other_languages() -> None:
    french = chosen_names(None, "fr")
    assert set(french) == set(NAMES) - ENGLISH_ONLY
    assert {"flesch_reading_ease", "style_hedges", "coleman_liau_index"} <= ENGLISH_ONLY
    assert {"lix", "mtld", "style_emoji", "dependency_distance_mean"} <= set(french)
    with pytest.raises(UsageError, match="'gunning_fog' is defined only for English"):
        chosen_names("mtld,gunning_fog", "fr")
    assert chosen_names("mtld,lix", "fr") == ("lix", "mtld")
