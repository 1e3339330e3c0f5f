"""The findings of an inheritance experiment, independent of the format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmprof.metrics.inheritance import Effect
from llmprof.metrics.samples import OVERALL


@dataclass(frozen=True, slots=True)
class ArmFacts:
    """What one group of students was trained on; `target` is empty for a control."""

    name: str
    source: str
    target: str
    file: str
    examples: int
    students: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Finding:
    """One metric of the students of one arm.

    `before` is the student's value before training. `change` is the mean of its students minus
    `before`, over items and seeds; `of_data` is the arm's data minus the untrained student's
    answers to the same prompts; `share` is `change` divided by `of_data`. `against_random` is the
    students of the arm minus those of the control, paired by item and seed; None for the control
    itself. `is_target` says that the arm's data were selected by this metric, and `wanted` in which
    direction: 1 for up, -1 for down.
    """

    arm: str
    profiler: str
    dataset: str
    metric: str
    group: str
    label: str
    before: float
    change: Effect
    of_data: Effect
    share: Effect
    against_random: Effect | None = None
    is_target: bool = False
    wanted: int = 0

    @property
    def name(self) -> str:
        """The metric in words, and its group unless that is all items."""
        return self.label if self.group == OVERALL else f"{self.label}, {self.group}"

    @property
    def percent(self) -> Effect:
        """The change in percent of the absolute value before; undefined if that is 0."""
        if self.before == 0:
            return Effect(None, n=self.change.n, seeds=self.change.seeds, reason="it was 0 before")
        return self.change.scaled(100 / abs(self.before))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The key of the metric."""
        return self.profiler, self.dataset, self.metric, self.group


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The target's mean if selected from the first `k` completions of each prompt."""

    arm: str
    k: int
    kept: Effect


@dataclass(frozen=True, slots=True)
class Inheritance:
    """A whole experiment."""

    student: str
    teachers: Sequence[str]
    prompts: str
    n_prompts: int
    k: int
    seeds: Sequence[int]
    recipe: Mapping[str, object]
    arms: Sequence[ArmFacts]
    findings: Sequence[Finding]
    curve: Sequence[CurvePoint]
    runs: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def targets(self) -> list[Finding]:
        """The target metrics, each in its own arm."""
        return [each for each in self.findings if each.is_target]

    @property
    def side_effects(self) -> list[Finding]:
        """Other metrics in which an arm's students differ from the control's, by p-value.

        Only those whose p-value, corrected for the number of all such tests, is below 5%.
        """
        sure = [
            (p, place, each)
            for place, each in enumerate(self.findings)
            if not each.is_target and (p := _corrected(each)) is not None and p < SIGNIFICANCE
        ]
        return [each for _, _, each in sorted(sure, key=lambda found: found[:2])]

    @property
    def n_tests(self) -> int:
        """The number of side effects that were tested."""
        return sum(not each.is_target and _corrected(each) is not None for each in self.findings)

    def of_arm(self, name: str) -> Iterator[Finding]:
        """The findings of one arm."""
        return (each for each in self.findings if each.arm == name)


SIGNIFICANCE = 0.05


def _corrected(finding: Finding) -> float | None:
    return None if finding.against_random is None else finding.against_random.p_corrected


def verdict(finding: Finding) -> str:
    """Whether the students moved in the target's direction against the control, in words."""
    found = finding.against_random
    if found is None or found.value is None or found.low is None or found.high is None:
        return "not known"
    if not found.excludes_zero:
        return "no difference from the control outside the interval"
    right = found.value * finding.wanted > 0
    return "moved as selected" if right else "moved the other way"
