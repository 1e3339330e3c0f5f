"""Gates: limits on how far a metric may change, decided by paired intervals.

A gate is decided when the interval of the change lies on one side of its margin. Of several gates
the chance that any of them is decided wrongly stays below 5%: see `decide`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from llmprof.errors import UsageError
from llmprof.metrics.differences import Difference
from llmprof.metrics.intervals import CONFIDENCE, excludes_zero, normal_quantile
from llmprof.metrics.samples import OVERALL

# The difference with an interval of the confidence that is asked for, or why there is none.
DifferenceAt: TypeAlias = Callable[[float], Difference | str]

_POWER = 0.8
# An estimate beyond this multiple of the items is not useful.
_MOST_TIMES = 10_000
_GATE = re.compile(
    r"\s*(?P<path>[^<>\[\]]+?)\s*(?:\[(?P<group>[^\]]+)\])?\s*(?P<sign>[<>])\s*(?P<margin>\S+)\s*"
)
_MARGIN = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|0+(\.0*)?")


class GateVerdict(StrEnum):
    """The verdict of a gate; `UNDECIDED` if there are too few items."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "cannot tell"


@dataclass(frozen=True, slots=True)
class Gate:
    """Fails if a metric changes by more than `margin` (`rises`), or by less than it.

    `dataset` None means the only data set of the profile, and `metric` may leave out what made it,
    such as its scorer.
    """

    text: str
    profiler: str
    dataset: str | None
    metric: str
    group: str
    rises: bool
    margin: float

    def beyond(self, change: float) -> float:
        """How far a change is beyond the margin; negative within it."""
        return change - self.margin if self.rises else self.margin - change


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a gate, with the change and its interval at the `confidence` that decided.

    `needed` is how many `unit` would tell, with 80% power, if the change is as large as it seems;
    None for a gate that is decided, and where it is not known or beyond all bounds. `reason` says
    what the interval does not.
    """

    gate: Gate
    verdict: GateVerdict
    change: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    unit: str
    confidence: float
    needed: int | None = None
    reason: str | None = None


def parse_gate(text: str) -> Gate:
    """The gate that a text such as `crows_pairs/stereotype_score > +2` states.

    The metric is PROFILE/METRIC or PROFILE/DATASET/METRIC, with a group in brackets. The margin has
    a sign, since it is of the change and not of the value.

    >>> gate = parse_gate("crows_pairs/stereotype_score[gender] > +2")
    >>> gate.profiler, gate.metric, gate.group, gate.rises, gate.margin
    ('crows_pairs', 'stereotype_score', 'gender', True, 2.0)

    Raises:
        UsageError: it is no gate.
    """
    found = _GATE.fullmatch(text)
    parts = found["path"].split("/") if found else []
    if found is None or len(parts) not in (2, 3) or not all(map(str.strip, parts)):
        raise UsageError(
            f"{text!r} is not a gate; write one such as 'crows_pairs/stereotype_score > +2': a "
            "profile and its metric, > or <, and the margin of the change"
        )
    margin = found["margin"]
    if not _MARGIN.fullmatch(margin) or not math.isfinite(float(margin)):
        raise UsageError(
            f"{text!r}: the margin {margin} is not a change; write a number with a sign, such as "
            "+0.02 or -1.5, or 0"
        )
    profiler, *dataset, metric = map(str.strip, parts)
    return Gate(
        text=" ".join(text.split()),
        profiler=profiler,
        dataset=dataset[0] if dataset else None,
        metric=metric,
        group=(found["group"] or OVERALL).strip(),
        rises=found["sign"] == ">",
        margin=float(margin),
    )


def decide(gates: Sequence[tuple[Gate, DifferenceAt]]) -> list[Decision]:
    """The decision on each gate, in their order.

    Holm's (1979) step-down procedure, in intervals: of r gates that are not decided yet, those are
    decided whose interval of confidence 1 - 5%/r leaves out the margin; then r is smaller.
    """
    decisions: dict[int, Decision] = {}
    while len(decisions) < len(gates):
        waiting = [place for place in range(len(gates)) if place not in decisions]
        confidence = 1 - (1 - CONFIDENCE) / len(waiting)
        found = {place: _decide(*gates[place], confidence) for place in waiting}
        decided = {
            place: each
            for place, each in found.items()
            if each.verdict is not GateVerdict.UNDECIDED
        }
        decisions |= decided or found
    return [decisions[place] for place in range(len(gates))]


def _decide(gate: Gate, difference_at: DifferenceAt, confidence: float) -> Decision:
    found = difference_at(confidence)
    if isinstance(found, str):
        found = Difference(None, None, None, 0, reason=found)
    change, low, high = found.value, found.ci_low, found.ci_high
    verdict, reason, needed = GateVerdict.UNDECIDED, found.reason, None
    if change is None:
        reason = reason or "no item has a value in both runs"
    if change is not None and low is not None and high is not None:
        if excludes_zero(low, high) and found.differing < fewest_differing(confidence):
            # All of so few in one direction is no evidence of a change.
            reason = f"only {found.differing} {found.unit} differ"
            low, high = min(low, 0.0), max(high, 0.0)
        if excludes_zero(low - gate.margin, high - gate.margin):
            verdict = GateVerdict.FAILED if gate.beyond(change) > 0 else GateVerdict.PASSED
        else:
            needed = _needed(gate, found, confidence)
    return Decision(
        gate, verdict, change, low, high, found.n, found.unit, confidence, needed, reason
    )


def fewest_differing(confidence: float) -> int:
    """How many units must differ, all in one direction, for the sign test to see a change.

    >>> fewest_differing(0.95), fewest_differing(0.99)
    (6, 8)
    """
    return math.ceil(1 + math.log2(1 / (1 - confidence)))


def _needed(gate: Gate, found: Difference, confidence: float) -> int | None:
    """The number of units that separate a change of this size from the margin, with 80% power.

    The standard error is that of the interval, on the side of the margin; it falls with the square
    root of the number of units.
    """
    if found.value is None or found.ci_low is None or found.ci_high is None or found.n < 2:
        return None
    distance = gate.beyond(found.value)
    # A change beyond the margin is told from it by the near end of its interval.
    above = (distance > 0) == gate.rises
    arm = found.value - found.ci_low if above else found.ci_high - found.value
    if arm <= 0 or abs(distance) * math.sqrt(_MOST_TIMES) < arm:
        return None
    quantile = normal_quantile(confidence)
    with_power = (quantile + normal_quantile(2 * _POWER - 1)) / quantile
    return _rounded_up(found.n * (with_power * arm / distance) ** 2)


def _rounded_up(count: float) -> int:
    """A count to two digits, since its variance is an estimate.

    >>> _rounded_up(1234.5), _rounded_up(73.2)
    (1300, 74)
    """
    step: int = 10 ** max(0, math.floor(math.log10(count)) - 1)
    return math.ceil(count / step) * step
