"""Which completion is kept."""

import random

from hypothesis import given
from hypothesis import strategies as st

from llmprof.jobs.select import Choice, Constraint, choose
from llmprof.jobs.select.choose import control
from tests.jobs.select.pools import candidate, pool_of

VALUES = st.lists(st.none() | st.integers(-3, 3).map(float), max_size=8)


def kept(pools: list[list], choice: Choice) -> list[int | None]:
    return [None if each is None else each.kept.sample_index for each in choose(pools, choice)]


@given(st.lists(VALUES, max_size=6))
def test_best_is_the_first_of_the_extreme(values: list[list[float | None]]) -> None:
    pools = [pool_of("mtld", each) for each in values]
    for direction, extreme in (("max", max), ("min", min)):
        for place, found in enumerate(choose(pools, Choice("mtld", direction))):
            defined = [value for value in values[place] if value is not None]
            if not defined:
                assert found is None
                continue
            assert found is not None
            assert found.kept.sample_index == values[place].index(extreme(defined))
            assert found.is_pair == (len(set(defined)) > 1)
            if found.is_pair:
                other = min if extreme is max else max
                assert found.worst.scores["mtld"] == other(defined)


def test_of_equals_the_earliest_model_is_kept() -> None:
    pool = [*pool_of("mtld", [1.0, 2.0], model="b"), *pool_of("mtld", [2.0, 2.0], model="a")]
    (found,) = choose([pool], Choice("mtld"))
    assert found is not None
    assert (found.kept.group, found.kept.sample_index) == ("b", 1)


def test_blank_and_failed_completions_are_never_kept() -> None:
    pool = [
        candidate(None, {}, index=0),
        candidate(" \n", {"toxicity": 0.0}, index=1),
        candidate("text", {"toxicity": 0.9}, index=2),
    ]
    assert kept([pool], Choice("toxicity", "min")) == [2]
    assert kept([pool[:2]], Choice("toxicity", "min")) == [None]


def test_prompt_without_a_completion_that_meets_the_constraint_is_left_out() -> None:
    pools = [pool_of("mtld", [1.0, 5.0, 9.0]), pool_of("mtld", [8.0, 9.0])]
    assert kept(pools, Choice("mtld", where=Constraint("mtld < 7"))) == [1, None]


@given(VALUES, st.integers(0, 1000))
def test_random_pairs_are_of_the_prompts_that_pairs_by_the_target_are_of(
    values: list[float | None], seed: int
) -> None:
    pool = pool_of("mtld", values)
    by_target, by_chance = (
        choose([pool], Choice("mtld", baseline=baseline, seed=seed))[0]
        for baseline in (None, "random")
    )
    if by_target is None or by_chance is None:
        assert by_target is by_chance is None
        return
    assert by_chance.is_pair == by_target.is_pair


@given(VALUES, st.integers(0, 1000))
def test_random_choice_is_one_that_could_be_kept(values: list[float | None], seed: int) -> None:
    choice = Choice("mtld", where=Constraint("mtld < 2"), baseline="random", seed=seed)
    (found,) = choose([pool_of("mtld", values)], choice)
    able = [value for value in values if value is not None and value < 2]
    assert (found is None) == (not able)
    assert found is None or found.kept.scores["mtld"] in able


def test_random_choice_depends_on_the_seed_and_the_place_alone() -> None:
    pools = [pool_of("mtld", [float(value) for value in range(10)]) for _ in range(40)]
    first = kept(pools, Choice("mtld", baseline="random", seed=1))
    state = random.getstate()
    random.seed(99)
    assert kept(pools, Choice("mtld", baseline="random", seed=1)) == first
    assert kept(pools[:7], Choice("mtld", baseline="random", seed=1)) == first[:7]
    random.setstate(state)
    assert kept(pools, Choice("mtld", baseline="random", seed=2)) != first
    assert len(set(first)) > 5


def test_control_is_the_random_choice_whatever_the_direction() -> None:
    pools = [pool_of("mtld", [1.0, 2.0, 3.0]) for _ in range(20)]
    drawn = [None if each is None else each.sample_index for each in control(pools, Choice("mtld"))]
    assert drawn == kept(pools, Choice("mtld", "min", baseline="random"))
