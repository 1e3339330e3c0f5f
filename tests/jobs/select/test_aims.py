"""Several targets at once, and a choice that covers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.errors import LlmprofError, UsageError
from llmprof.jobs.select import Choice, choose
from llmprof.jobs.select.aims import Aim, merits, parse_aims
from tests.jobs.select.pools import candidate

ROWS = st.lists(st.tuples(*[st.integers(-4, 4)] * 2), min_size=1, max_size=8)
BOTH = (Aim("mtld"), Aim("n_tokens", "min"))


def pool(rows: list[tuple[int, int]]) -> list:
    return [
        candidate(f"text {place}", {"mtld": float(one), "n_tokens": float(two)}, index=place)
        for place, (one, two) in enumerate(rows)
    ]


@pytest.mark.parametrize("combine", ["weights", "pareto"])
@given(ROWS)
def test_what_is_kept_is_on_the_pareto_front(combine: str, rows: list[tuple[int, int]]) -> None:
    found = merits(pool(rows), BOTH, combine)
    one, two = rows[found.index(max(found))]
    assert not any(a >= one and b <= two and (a, b) != (one, two) for a, b in rows)


def test_pareto_reaches_what_no_weights_choose() -> None:
    rows = [(10, 10), (0, 0), (4, 5)]
    best = merits(pool(rows), BOTH, "pareto")
    assert best.index(max(best)) == 2
    for weight in (0.1, 0.5, 1.0, 2.0, 10.0):
        sums = merits(pool(rows), (Aim("mtld", weight=weight), BOTH[1]), "weights")
        assert sums.index(max(sums)) != 2


def test_a_diverse_choice_keeps_new_words_of_the_better_half() -> None:
    texts = (("a b c", 3.0), ("d e f", 2.0), ("g h i", 1.0), ("j k l", 0.0))
    one = [candidate(text, {"n_tokens": value}, index=i) for i, (text, value) in enumerate(texts)]
    chosen = choose([one, one], Choice("n_tokens", diverse=True))
    assert [each.kept.response for each in chosen if each] == ["a b c", "d e f"]


@pytest.mark.parametrize("text", ["", "mtld+", "mtld*0", "mtld*x", "mtld:up", "mtld*-1", "mtld*2"])
def test_a_target_that_is_no_target_is_refused(text: str) -> None:
    with pytest.raises(LlmprofError, match="--target"):
        parse_aims(text)


def test_weights_of_which_pareto_has_no_use_are_refused() -> None:
    first, *also = parse_aims("mtld+n_tokens:min*2")
    with pytest.raises(UsageError, match=r"--target n_tokens:min\*2, or choose --combine weights"):
        Choice(first.metric, also=tuple(also), combine="pareto")
    assert Choice(first.metric, also=tuple(also)).aims[1].weight == 2
