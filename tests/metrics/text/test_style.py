"""Style: counts of small texts by hand, and what other languages have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.backends.text_metrics.pipelines import find_pipeline
from llmprof.backends.text_metrics.spacy_reader import TextReader
from llmprof.errors import UsageError
from llmprof.metrics.text import ENGLISH_ONLY, NAMES, chosen_names, describe, reads_of

STYLE = [name for name in NAMES if name.startswith("style_")]
# One of each kind of sequence.
EMOJI = (
    "\u2705",
    "\u2764\ufe0f",
    "\U0001f44d\U0001f3fd",
    "\U0001f1eb\U0001f1f7",
    "7\ufe0f\u20e3",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
)


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
        ("| a | b |\n|---|---|\n| 1 | 2 |", {"table_rows": 2}),
        ("Hi \U0001f600\U0001f44d\U0001f3fd, friend \U0001f468\u200d\U0001f467", {"emoji": 3}),
        ("What? No! Never!", {"question_marks": 1, "exclamation_marks": 2}),
        ("My dog and I like your cat.", {"first_person": 2, "second_person": 1}),
        ("The US gave us US$5, and Us two me.", {"first_person": 3}),
        ("I/O of an A.I., i.e. of I.B.M., and i, and I. I\u2019m I\u2014I.", {"first_person": 5}),
        ("It may perhaps rain; they seem to mind.", {"hedges": 3}),
        ("Sure, here it is.", {"opener": 1}),
        ("Surely not.", {}),
        ("Great, here it is.", {"opener": 1}),
        ("Great\n\nHere it is.", {"opener": 1}),
        ("Great Britain is an island.", {}),
        ("That\u2019s a great plan, says the cook.", {"opener": 1}),
        ("Mice sleep.", {}),
    ],
)  # fmt: skip
def test_counts(reader: TextReader, text: str, expected: dict[str, int]) -> None:
    assert counts(reader, text) == expected


# Sequences of UTS #51, each with the number of its definition.
@pytest.mark.parametrize(
    ("text", "emoji"),
    [
        ("\U0001f600\u2705\u2b50\u231a", 4),  # ED-6: shown as emoji
        ("\u2764 \u2714 \u263a \u25b6 \u2194 \u00a9 \u2122 \u00ae 1 # *", 0),  # ED-7: as text
        ("\u2713 \u2717 \u2605 \u2022 \u2192 \u2460 \u2776 \u25a0 \ufe0f \u200d", 0),  # no emoji
        ("\u2764\ufe0f \u2714\ufe0f \u00a9\ufe0f \u2122\ufe0f", 4),  # ED-9a
        ("\U0001f600\ufe0e \u231a\ufe0e \u2764\ufe0e", 0),  # ED-8a
        ("\U0001f44d\U0001f3fd\u261d\U0001f3fb\u270c\ufe0f", 3),  # ED-13
        ("\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea \U0001f1eb", 2),  # ED-14: flags; half a flag
        ("1\ufe0f\u20e3 #\ufe0f\u20e3 2\ufe0f\u20e33", 3),  # ED-14c: keycaps
        ("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", 1),  # ED-14a
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f467", 2),  # ED-16: a family, a girl
        ("\U0001f3f3\ufe0f\u200d\U0001f308 \u2764\ufe0f\u200d\U0001f525", 2),
        ("\U0001f9d4\U0001f3fe\u200d\u2642\ufe0f\U0001f9d4\u200d\u2640", 2),
        ("\U0001fae8\U0001fa77\U0001f0cf\U0001f004\U0001f21a", 5),  # beyond the older blocks
    ],
)
def test_emoji_are_those_of_unicode(reader: TextReader, text: str, emoji: int) -> None:
    assert counts(reader, f"word {text} word").get("emoji", 0) == emoji


@given(st.lists(st.sampled_from(EMOJI), max_size=20), st.text(st.characters(codec="ascii")))
def test_emoji_do_not_join_by_themselves(reader: TextReader, emoji: list[str], plain: str) -> None:
    assert counts(reader, f"word{plain}{''.join(emoji)}{plain}").get("emoji", 0) == len(emoji)


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
