from hypothesis import given
from hypothesis import strategies as st

from llmprof.report.html.scales import SCALES, Scale, scale_of

SCALE = st.sampled_from(sorted(SCALES.values(), key=repr))
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
    for scale in SCALES.values():
        assert scale.source
        assert scale.low <= scale.ideal <= scale.high


def test_names_are_read_without_how_they_were_scored() -> None:
    assert scale_of("toxicity", "mean_toxicity:perspective") is not None
    assert scale_of("calibration", "ece_10_bins_equal_width_per_character") is not None
    assert scale_of("benchmark", "exact_match,strict-match") is not None


def test_what_has_no_direction_gets_none() -> None:
    for profiler, metric in (
        ("textual", "n_tokens"),
        ("textual", "flesch_reading_ease"),
        ("calibration", "confidence_raw"),
        ("benchmark", "acc_stderr"),
        ("toxicity", "empty_completions"),
        ("someone's", "accuracy"),
    ):
        assert scale_of(profiler, metric) is None
