"""The contents of a report: runs side by side, and their changes from the baseline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llmprof.metrics.differences import FEWEST_DIFFERING
from llmprof.metrics.effect_sizes import EffectSize
from llmprof.metrics.intervals import excludes_zero
from llmprof.metrics.multiple_testing import FALSE_DISCOVERY_RATE
from llmprof.metrics.samples import OVERALL, Metric
from llmprof.profilers import Presentation, Scale
from llmprof.results.reader import MetricRow


@dataclass(frozen=True, slots=True)
class ReportedRun:
    """A run in a report; `label` is a short name, unique in the report.

    `made_by` describes its environment: command line, Python, device, processor and scorer, as far
    as known; `parameters` is the number of the model's. `sources` are results from earlier runs of
    the same model.
    """

    run_id: str
    label: str
    command: str
    model: str
    backend: str
    status: str
    error: str | None
    seed: int
    started_at: str
    config: Mapping[str, Any]
    versions: Mapping[str, str]
    made_by: Mapping[str, str] = field(default_factory=dict)
    parameters: int | None = None
    sources: Sequence[ResultSource] = ()

    def source(self, profiler: str, dataset: str) -> ReportedRun:
        """The run that has these results: this one, or an earlier one of the same model."""
        for each in self.sources:
            if (each.profiler, each.dataset) == (profiler, dataset):
                return each.run
        return self


@dataclass(frozen=True, slots=True)
class ResultSource:
    """Results of a column from an earlier run of the same model."""

    profiler: str
    dataset: str
    run: ReportedRun


@dataclass(frozen=True, slots=True)
class Value:
    """One metric of one run, as stored: see `llmprof.metrics.samples.Metric`.

    Of several `seeds` together it is their mean, and `spread` their standard deviation.
    """

    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    n_total: int
    reason: str | None = None
    unit: str | None = None
    interval_method: str | None = None
    spread: float | None = None
    seeds: int | None = None

    @classmethod
    def of(cls, row: MetricRow | Metric) -> Value:
        """The number in a stored row, or a recomputed one."""
        return cls(
            row.value, row.ci_low, row.ci_high, row.n, row.n_total, row.reason, row.unit,
            row.interval_method,
        )  # fmt: skip

    @property
    def has_older_interval(self) -> bool:
        """Whether its interval was made before methods were named: a percentile bootstrap."""
        return self.ci_low is not None and self.interval_method is None


@dataclass(frozen=True, slots=True)
class Change:
    """A run's value minus the baseline's, over the `n` items that both runs have.

    `percent` is of the baseline's absolute value; None if that is zero. The interval is a 95%
    paired interval of `absolute`, over `unit`. Without one, `reason` says why, and `absolute` is
    the difference of the displayed values; with one, `reason` says which items are left out. An
    item is what the metric averages over, such as a prompt or a target term. `differing` is the
    number of units that differ between the runs; None if unknown. `p_value` is of no change and
    `adjusted_p_value` the same after Benjamini and Hochberg's correction over all changes of the
    report; `effect` is the size of the change.
    """

    absolute: float
    percent: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    reason: str | None = None
    unit: str | None = None
    interval_method: str | None = None
    differing: int | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    effect: EffectSize | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether there is a change, according to its interval, with enough differing units."""
        differing = self.n if self.differing is None else self.differing
        return differing >= FEWEST_DIFFERING and excludes_zero(self.ci_low, self.ci_high)

    @property
    def is_clear(self) -> bool:
        """Whether there is a change after the correction, if there was one."""
        adjusted = self.adjusted_p_value
        return self.excludes_zero and (adjusted is None or adjusted <= FALSE_DISCOVERY_RATE)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of one group. Both sequences follow `Report.runs`; None where a run has none.

    `label` is the metric's name in words, `scale` its bounds and ideal; None without a direction.
    """

    metric: str
    group: str
    values: Sequence[Value | None]
    changes: Sequence[Change | None]
    label: str
    scale: Scale | None = None

    @property
    def name(self) -> str:
        """The metric in words, and its group unless that is all items."""
        return self.label if self.group == OVERALL else f"{self.label}, {self.group}"


@dataclass(frozen=True, slots=True)
class Fit:
    """The number of a run's requests that did not fit into the model's context.

    `prompts_cut` lost the beginning of their prompt; `answers_shortened` ended because the context
    was full. `thinking_tokens` are reasoning tokens.
    """

    requests: int
    prompts_cut: int
    answers_shortened: int
    thinking_tokens: int = 0

    @property
    def is_whole(self) -> bool:
        return not (self.prompts_cut or self.answers_shortened)


@dataclass(frozen=True, slots=True)
class Section:
    """Comparable results: with the same profiler, protocol, data set (by content) and scorer.

    `presentation` is declared by the profile, `size` is the number of items used, such as
    `20 of 1,508 items`, or empty if all were used. `fits` follows `Report.runs`; None if a run has
    no such results or counts.
    """

    profiler: str
    protocol_version: str
    dataset: str
    source: str
    sha256: str
    demonstration: bool
    scorer: str | None
    rows: Sequence[Row]
    presentation: Presentation = field(default_factory=Presentation)
    size: str = ""
    fits: Sequence[Fit | None] = ()

    @property
    def title(self) -> str:
        """Profile and data set, as a heading; without the data set if it has the same name."""
        name = self.presentation.title or self.profiler
        if self.dataset != self.profiler:
            name += f" on {self.dataset}"
        said = [*(["demonstration data"] if self.demonstration else []), *filter(None, [self.size])]
        return f"{name} ({', '.join(said)})" if said else name

    def has(self, place: int) -> bool:
        """Whether the run at this index has a value here."""
        return any(row.values[place] is not None for row in self.rows)

    def is_summary(self, row: Row) -> bool:
        """Whether a row covers the whole data set."""
        return row.group == OVERALL or row.metric in self.presentation.summaries


@dataclass(frozen=True, slots=True)
class Omission:
    """Results that are left out, and the reason.

    `what` is a profile on a data set of a run, or begins with "run " if it is a whole one.
    """

    what: str
    why: str


def concerning(omissions: Iterable[Omission], profiler: str, dataset: str) -> list[Omission]:
    """Those about this profile on this data set, or about a whole run."""
    about = (f"{profiler} on {dataset} of ", "run ")
    return [each for each in omissions if each.what.startswith(about)]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report, for any format. `baseline` is an index into `runs`.

    `headlines` say in sentences what changed, `remarks` are about several metrics together.
    Of a `series`, `steps` are those of the training that each run is at.
    """

    runs: Sequence[ReportedRun]
    sections: Sequence[Section]
    baseline: int | None = None
    omissions: Sequence[Omission] = ()
    remarks: Sequence[str] = ()
    headlines: Sequence[str] = ()
    series: str | None = None
    steps: Sequence[int] = ()
