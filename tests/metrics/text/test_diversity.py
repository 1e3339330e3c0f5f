"""MTLD: by hand, by the paper's definition, and what it is not defined for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.metrics.text import describe, is_extrapolated
from llmprof.metrics.text.diversity import complete_factors
from llmprof.metrics.text.document import Document


def mtld(text: str) -> float | None:
    return describe(Document(text), ["mtld"])["mtld"]


def test_words_per_factor() -> None:
    # Each "a a" has a ratio of 0.5: eight words are four factors, whichever way they are read.
    assert mtld("a a " * 4) == 2.0


def test_rest_counts_as_part_of_a_factor() -> None:
    # Forwards "a a" and then "b c b": ratio 2/3, a factor. Backwards "b c b" and "a a".
    assert mtld("a a b c b") == 2.5
    # Forwards a factor and "b c d b", ratio 0.75; backwards "b d c b", 0.75, then "a": 0.8, "a".
    part = (1 - 0.75) / (1 - 0.72)
    assert mtld("a a b c d b") == pytest.approx((6 / (1 + part) + 6 / 1) / 2)


@pytest.mark.parametrize("text", ["", "one", "... 123 --", "each word here is another one"])
def test_text_in_which_no_word_is_repeated_has_none(text: str) -> None:
    assert mtld(text) is None


def test_text_of_less_than_one_factor_is_extrapolated() -> None:
    once = " ".join(f"w{letter}" for letter in "abcdefghijklmnopqrst") + " wa"
    assert complete_factors(once) == 0 and is_extrapolated("mtld", once)
    assert mtld(once) == pytest.approx(21 * 0.28 * 21)
    assert not is_extrapolated("mtld", "a a")
    assert not is_extrapolated("n_tokens", once)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60))
def test_is_the_same_backwards(words: list[str]) -> None:
    forwards, backwards = mtld(" ".join(words)), mtld(" ".join(reversed(words)))
    assert (forwards is None) == (len(set(words)) == len(words))
    assert forwards == backwards or forwards == pytest.approx(backwards)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60))
def test_has_at_least_a_word_per_factor(words: list[str]) -> None:
    value = mtld(" ".join(words))
    assert value is None or value >= 1
