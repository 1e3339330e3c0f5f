"""Gates are decided by paired intervals: wrongly in at most 5%, whatever their number."""

from __future__ import annotations

import math

import numpy as np
import pytest

from llmprof.errors import UsageError
from llmprof.metrics.gates import (
    DifferenceAt,
    GateVerdict,
    decide,
    fewest_differing,
    parse_gate,
)
from llmprof.metrics.measures import Mean, difference

Rng = np.random.Generator


def shares(before: np.ndarray, after: np.ndarray) -> DifferenceAt:
    """The change of a share, in percent, of items that are right (1) or wrong (0)."""
    units = [str(place) for place in range(len(before))]
    old, new = (
        Mean("share", units, list(map(float, values)), scale=100, bounds=(0, 1), unit="pairs")
        for values in (before, after)
    )
    return lambda confidence: difference(old, new, confidence)


def flipped(lost: int, gained: int, n: int) -> DifferenceAt:
    before = np.array([1] * lost + [0] * (n - lost))
    after = np.array([0] * lost + [1] * gained + [0] * (n - lost - gained))
    return shares(before, after)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a/b > +2", ("a", None, "b", "overall", True, 2.0)),
        ("  a / b  <  -0.5 ", ("a", None, "b", "overall", False, -0.5)),
        ("a/data/b[race-color]>0", ("a", "data", "b", "race-color", True, 0.0)),
        ("a/b:perspective > +1e-3", ("a", None, "b:perspective", "overall", True, 0.001)),
        ("x/arc/acc,none < -.5", ("x", "arc", "acc,none", "overall", False, -0.5)),
    ],
)  # fmt: skip
def test_a_gate_is_read(text: str, found: tuple[object, ...]) -> None:
    gate = parse_gate(text)
    read = (gate.profiler, gate.dataset, gate.metric, gate.group, gate.rises, gate.margin)
    assert read == found


@pytest.mark.parametrize(
    "text",
    ["", "a", "a > +1", "a/b", "a/b = +1", "a/b > 1", "a/b > +nan", "a/b > +inf", "a/b > +1e999",
     "a//b > +1", "a/b/c/d > +1", "a/b > +1 > +2", "/ > +1", "a/b[] > +1", "a/b > + 1", "a/b > ٣"],
)  # fmt: skip
def test_what_is_no_gate_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"^[^\n]+$"):
        parse_gate(text)


@pytest.mark.parametrize(
    ("text", "lost", "gained", "n", "verdict"),
    [
        ("p/m > +2", 2, 40, 200, GateVerdict.FAILED),
        ("p/m > +2", 40, 2, 200, GateVerdict.PASSED),
        ("p/m > +2", 5, 9, 200, GateVerdict.UNDECIDED),
        ("p/m < -2", 40, 2, 200, GateVerdict.FAILED),
        ("p/m < -2", 2, 40, 200, GateVerdict.PASSED),
        # Improvement is asked for: at least 5 points.
        ("p/m < +5", 2, 60, 200, GateVerdict.PASSED),
        ("p/m < +5", 0, 0, 2000, GateVerdict.FAILED),
        # No item differs: as many as these show that a share of 2 points does not.
        ("p/m > +2", 0, 0, 2000, GateVerdict.PASSED),
        ("p/m > +2", 0, 0, 20, GateVerdict.UNDECIDED),
        # Five of five in one direction is no evidence; eight are.
        ("p/m > 0", 0, 5, 20, GateVerdict.UNDECIDED),
        ("p/m > 0", 0, 8, 20, GateVerdict.FAILED),
    ],
)
def test_the_interval_decides(
    text: str, lost: int, gained: int, n: int, verdict: GateVerdict
) -> None:
    (decision,) = decide([(parse_gate(text), flipped(lost, gained, n))])
    assert decision.verdict is verdict
    assert decision.n == n


def test_more_gates_need_more_evidence() -> None:
    """An interval that decides one gate does not decide it among twenty that are undecided."""
    clear, unclear = flipped(4, 15, 200), flipped(10, 10, 200)
    gate = parse_gate("p/m > 0")
    assert decide([(gate, clear)])[0].verdict is GateVerdict.FAILED
    among = decide([(gate, clear), *[(gate, unclear)] * 19])
    assert {each.verdict for each in among} == {GateVerdict.UNDECIDED}
    assert among[0].confidence == pytest.approx(1 - 0.05 / 20)
    # Others that are decided first make it easier: Holm's procedure, not Bonferroni's.
    sure = flipped(0, 100, 200)
    stepped = decide([(gate, clear), *[(gate, sure)] * 19])
    assert stepped[0].verdict is GateVerdict.FAILED
    assert stepped[0].confidence == pytest.approx(0.95)


def test_decisions_are_those_of_holm_s_p_values() -> None:
    """Against the textbook's form, with p-values of McNemar's score test, which Tango inverts."""
    from scipy.stats import norm

    rng = np.random.default_rng(1)
    for _ in range(40):
        counts = rng.integers(8, 60, (5, 2))
        p_values = [2 * norm.sf(abs(b - a) / math.sqrt(a + b)) for a, b in counts]
        order = np.argsort(p_values)
        rejected = set()
        for place, index in enumerate(order):
            if p_values[index] > 0.05 / (len(order) - place):
                break
            rejected.add(int(index))
        gates = [(parse_gate("p/m > 0"), flipped(a, b, 300)) for a, b in counts]
        decisions = decide(gates)
        found = {
            place
            for place, each in enumerate(decisions)
            if each.verdict is not GateVerdict.UNDECIDED
        }
        assert found == rejected


def test_fewest_differing_is_the_sign_test_s() -> None:
    from scipy.stats import binomtest

    for confidence in (0.9, 0.95, 0.99, 0.9975):
        n = fewest_differing(confidence)
        assert binomtest(n, n).pvalue <= 1 - confidence < binomtest(n - 1, n - 1).pvalue


def test_as_many_items_as_it_says_tell() -> None:
    """Of samples as large as a gate that cannot tell asks for, about 80% tell."""
    rng = np.random.default_rng(2)
    gate = parse_gate("p/m > +2")
    seen = flipped(8, 19, 200)
    (decision,) = decide([(gate, seen)])
    assert decision.verdict is GateVerdict.UNDECIDED
    needed = decision.needed
    assert needed is not None and needed > 200
    told = 0
    for _ in range(200):
        drawn = rng.choice(3, needed, p=[0.04, 0.095, 0.865])
        (again,) = decide([(gate, shares(drawn == 0, drawn == 1))])
        told += again.verdict is GateVerdict.FAILED
    assert 140 <= told <= 185


def test_how_many_would_be_needed_is_not_said_where_nobody_knows() -> None:
    gate = parse_gate("p/m > 0")
    (same,) = decide([(gate, flipped(10, 10, 200))])
    assert (same.verdict, same.needed) == (GateVerdict.UNDECIDED, None)
    (none,) = decide([(gate, lambda confidence: "the values of its items are not stored")])
    assert (none.verdict, none.needed) == (GateVerdict.UNDECIDED, None)
    assert none.reason == "the values of its items are not stored"


@pytest.mark.parametrize("n", [20, 100, 500])
def test_without_a_change_few_gates_fail(n: int) -> None:
    """Coarse; benchmarks/gates.py has 1,000 rounds of more kinds of metric."""
    rng, rounds = np.random.default_rng(n), 150
    failed = 0
    for _ in range(rounds):
        true = rng.random(n)
        pair = shares(rng.random(n) < true, rng.random(n) < true)
        (decision,) = decide([(parse_gate("p/m > 0"), pair)])
        failed += decision.verdict is GateVerdict.FAILED
    assert failed <= 0.05 * rounds + 2 * math.sqrt(0.05 * 0.95 * rounds)
