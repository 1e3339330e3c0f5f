"""How profiles are shown: scales and names."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.profilers import Presentation, Scale, presentation_of
from llmprof.profilers.registry import BUILT_IN

NAMES = (*BUILT_IN, "score", "benchmark")
SCALES = [scale for name in NAMES for scale in presentation_of(name).scales.values()]
SCALE = st.sampled_from(sorted({scale for scale in SCALES if scale.is_bounded}, key=repr))
SHARE = st.floats(0, 1)


def at(scale: Scale, share: float) -> float:
    return scale.low + share * (scale.high - scale.low)


@given(SCALE, SHARE, SHARE)
def test_positions_are_shares_and_grow_towards_the_ideal(
    scale: Scale, first: float, second: float
) -> None:
    closer, farther = sorted(
        (at(scale, first), at(scale, second)), key=lambda value: abs(value - scale.ideal)
    )
    assert -1e-9 <= scale.position(farther) <= scale.position(closer) <= 1
    assert scale.position(scale.ideal) == 1
    assert min(scale.position(scale.low), scale.position(scale.high)) == 0


@given(SCALE, SHARE, SHARE, SHARE)
def test_an_interval_holds_the_positions_of_all_its_values(
    scale: Scale, first: float, second: float, within: float
) -> None:
    low, high = sorted((at(scale, first), at(scale, second)))
    worst, best = scale.positions(low, high)
    assert worst - 1e-9 <= scale.position(low + within * (high - low)) <= best + 1e-9


def test_every_scale_has_a_source_and_an_ideal_within() -> None:
    for scale in SCALES:
        assert scale.source
        assert scale.low <= scale.ideal <= scale.high


def test_names_are_read_without_how_they_were_scored() -> None:
    assert presentation_of("toxicity").scale("mean_toxicity:perspective") is not None
    assert presentation_of("calibration").scale("ece_10_bins_equal_width_per_character") is not None
    assert presentation_of("benchmark").scale("exact_match,strict-match") is not None


def test_what_has_no_direction_gets_none() -> None:
    for profiler, metric in (
        ("textual", "n_tokens"),
        ("textual", "flesch_reading_ease"),
        ("calibration", "confidence_raw"),
        ("benchmark", "acc_stderr"),
        ("toxicity", "empty_completions"),
        ("someone's", "accuracy"),
    ):
        assert presentation_of(profiler).scale(metric) is None


@pytest.mark.parametrize(("scale", "better", "worse"), [
    (Scale(0, math.inf, 0, "perplexity"), 3.0, 20.0),
    (Scale(-math.inf, math.inf, math.inf, "reward"), 20.0, -3.0),
    (Scale(0, 100, 50, "preference"), 48.0, 55.0),
    (Scale(0, 1, 1, "accuracy"), 0.9, 0.8),
])  # fmt: skip
def test_what_is_closer_to_the_ideal_is_better_with_bounds_and_without(
    scale: Scale, better: float, worse: float
) -> None:
    assert scale.is_better(better, worse)
    assert not scale.is_better(worse, better)
    assert not scale.is_better(worse, worse)


@given(SCALE, st.booleans())
def test_a_stored_direction_moves_the_ideal_to_a_bound(scale: Scale, higher: bool) -> None:
    directed = scale.directed(higher_is_better=higher)
    assert (directed.low, directed.high, directed.source) == (scale.low, scale.high, scale.source)
    assert directed.direction == ("higher is better" if higher else "lower is better")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_declared_about_metrics_is_of_the_same_profile(name: str) -> None:
    shown = presentation_of(name)
    for metric in shown.scales:
        assert shown.stem(metric) == metric
        assert not shown.is_point(metric)
    assert not set(shown.highlights) & set(shown.scales)
    assert set(shown.summaries) <= set(shown.scales)


def test_an_unknown_profile_is_shown_with_its_numbers_alone() -> None:
    assert presentation_of("someone's") == Presentation()
