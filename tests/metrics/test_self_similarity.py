"""How alike texts are: against sacrebleu, nltk and all pairs; bounds and texts that are equal."""

from __future__ import annotations

import math
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.metrics.self_similarity import (
    compression_ratio,
    distinct,
    mean_cosine_distance,
    self_bleu,
    words_of,
)

WORDS = st.lists(st.sampled_from(["a", "b", "c", "the", "cat", "."]), min_size=1, max_size=12)
VECTORS = st.lists(
    st.lists(st.floats(-10, 10, allow_subnormal=False), min_size=3, max_size=3),
    min_size=2,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=6))
def test_self_bleu_is_sacrebleus(texts: list[list[str]]) -> None:
    import sacrebleu

    joined = [" ".join(text) for text in texts]
    for place, found in enumerate(self_bleu(texts)):
        others = [text for other, text in enumerate(joined) if other != place]
        score = sacrebleu.sentence_bleu(joined[place], others, tokenize="none").score
        assert found == pytest.approx(score / 100, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=6), st.integers(1, 4))
def test_distinct_counts_the_n_grams_of_nltk(texts: list[list[str]], n: int) -> None:
    from nltk import ngrams

    grams = [gram for text in texts for gram in ngrams(text, n)]
    expected = len(set(grams)) / len(grams) if grams else None
    assert distinct(texts, n) == expected


@settings(max_examples=40, deadline=None)
@given(VECTORS)
def test_the_mean_distance_is_that_of_all_pairs(vectors: list[list[float]]) -> None:
    directed = [each for each in vectors if any(each)]
    found = mean_cosine_distance(vectors)
    if len(directed) < 2:
        assert found is None
        return
    # Units first: the product of two tiny entries is 0.
    units = [[entry / math.hypot(*each) for entry in each] for each in directed]
    distances = [1 - sum(map(float.__mul__, a, b)) for a, b in combinations(units, 2)]
    assert found == pytest.approx(sum(distances) / len(distances), abs=1e-9)


def test_equal_texts_are_as_alike_as_can_be() -> None:
    text = words_of("The same words, five times over.")
    assert self_bleu([text] * 5) == pytest.approx([1.0] * 5)
    assert distinct([text] * 5, 2) == pytest.approx(1 / 5)
    assert mean_cosine_distance([(0.3, 0.4)] * 5) == pytest.approx(0.0, abs=1e-12)
    ratio, once = compression_ratio(["All alike."] * 50), compression_ratio(["All alike."])
    assert ratio is not None and once is not None and ratio > 5 > 1 > once


def test_what_has_no_value() -> None:
    assert distinct([["one"]], 2) is None
    assert compression_ratio(["", ""][:1]) is None
    assert mean_cosine_distance([(1.0, 2.0)]) is None


def test_scripts_without_blanks_are_read_by_character() -> None:
    assert words_of("我喜欢猫 and カメ") == ["我", "喜", "欢", "猫", "and", "カ", "メ"]
    assert words_of("très élégant 3,5") == ["très", "élégant", "3", ",", "5"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("cafe\u0301 noir", ["cafe\u0301", "noir"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e", None),
        ("\u0645\u064f\u062d\u064e\u0645\u0651\u064e\u062f", None),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),
        ("\u304b\u3099\u304f", ["\u304b\u3099", "\u304f"]),
        ("a.b", ["a", ".", "b"]),
    ],
    ids=["accent", "hindi", "arabic", "persian", "kana", "full stop"],
)
def test_marks_belong_to_their_words(text: str, words: list[str] | None) -> None:
    assert words_of(text) == (text.split() if words is None else words)
