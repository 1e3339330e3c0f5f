"""Metrics of a selection: the mean of every metric before and after it, over prompts.

Completions are processed in a stream: only their target values stay in memory.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from functools import partial

from llmprof.jobs.select.candidates import Pool, is_spoken
from llmprof.jobs.select.criteria import sample_metrics, score_bounds
from llmprof.metrics.intervals import SHARE, mean_value
from llmprof.metrics.measures import Mean, difference, mean_metric
from llmprof.metrics.samples import Metric, Sample

CANDIDATES = "candidates"
SELECTED = "selected"
RANDOM = "random"
CHANGE = "change"
# The random unit: an interval covers other prompts.
PROMPTS = "prompts"
KEPT_PROMPTS = "kept_prompts"
EMPTY_COMPLETIONS = "empty_completions"
MODEL_SHARE = "model_share"
PERCENTILES = (5, 25, 50, 75, 95)


class _Column:
    """One value per prompt, in order; None if undefined. Needs 8 bytes per prompt."""

    def __init__(self, prompts: int = 0) -> None:
        self._values = array("d", [math.nan]) * prompts

    def append(self, value: float | None) -> None:
        self._values.append(math.nan if value is None else value)

    def pad(self, prompts: int) -> None:
        """Add undefined values up to the number of prompts."""
        self._values.extend([math.nan] * (prompts - len(self._values)))

    @property
    def is_defined(self) -> bool:
        """Whether any prompt has a value."""
        return not all(map(math.isnan, self._values))

    @property
    def values(self) -> list[float | None]:
        return [None if math.isnan(value) else value for value in self._values]


class Shift:
    """The metrics of a selection, from each prompt's candidates and the selected ones.

    The unit of each mean is the prompt. Groups: `candidates` is the mean over prompts of the mean
    over a prompt's completions, the expected value of a random selection; `selected` the mean over
    selected completions; `change` the mean, over prompts that have both, of the second minus the
    first; `random` (the target only) the mean over a random selection. `model_share` has one group
    per label in `labels`.
    """

    def __init__(self, target: str, labels: Sequence[str]) -> None:
        self._target = target
        self._labels = labels
        self._prompts = 0
        self._completions = 0
        self._before: dict[str, _Column] = {}
        self._after: dict[str, _Column] = {}
        self._control = _Column()
        self._controlled = 0
        self._values = array("d")
        self._empty = _Column()
        self._kept_by: list[str | None] = []

    def add(self, pool: Pool, kept: Sample | None, control: Sample | None) -> None:
        """Count one prompt: its candidates, the selected one, and the random one."""
        names = dict.fromkeys(name for sample in pool for name in sample.scores)
        for name in names:
            if name not in self._before:
                self._before[name] = _Column(self._prompts)
                self._after[name] = _Column(self._prompts)
            self._before[name].append(_mean([sample.scores.get(name) for sample in pool]))
            self._after[name].append(None if kept is None else kept.scores.get(name))
        self._prompts += 1
        for columns in (self._before, self._after):
            for name in columns.keys() - names.keys():
                columns[name].pad(self._prompts)
        self._completions += len(pool)
        self._values.extend(
            value for sample in pool if (value := sample.scores.get(self._target)) is not None
        )
        self._control.append(None if control is None else control.scores.get(self._target))
        self._controlled += control is not None
        generated = [sample for sample in pool if sample.response is not None]
        self._empty.append(_mean([float(not is_spoken(sample)) for sample in generated]))
        self._kept_by.append(None if kept is None else kept.group)

    @property
    def names(self) -> list[str]:
        """The metrics with a score for any completion, in the order of reports."""
        return [name for name in sample_metrics() if name in self._before]

    @property
    def kept(self) -> int:
        """The number of prompts with a selected completion."""
        return sum(group is not None for group in self._kept_by)

    def metrics(self) -> list[Metric]:
        """All metrics, those of the target first."""
        target = self._target
        known = [name for name in self.names if self._before[name].is_defined]
        known.sort(key=lambda name: name != target)
        found = [metric for name in known for metric in self._before_and_after(name)]
        chance, after = self._control.values, self._after.get(target, _Column()).values
        bounds = score_bounds(target)
        found.append(mean_metric(target, chance, group=RANDOM, bounds=bounds, unit=PROMPTS))
        found += _percentiles(target, self._values, self._completions, CANDIDATES)
        found += _percentiles(target, _defined(chance), self._controlled, RANDOM)
        found += _percentiles(target, _defined(after), self.kept, SELECTED)
        return [*found, *self._shares()]

    def _before_and_after(self, name: str) -> list[Metric]:
        units = [str(place) for place in range(self._prompts)]
        first, second = (
            Mean(name, units, column.values, group, bounds=score_bounds(name), unit=PROMPTS)
            for column, group in ((self._before[name], CANDIDATES), (self._after[name], SELECTED))
        )
        return [first.metric(), second.metric(), _change(first, second)]

    def _shares(self) -> list[Metric]:
        groups = [group for group in self._kept_by if group is not None]
        kept = [float(group is not None) for group in self._kept_by]
        share = partial(mean_metric, bounds=SHARE, unit=PROMPTS)
        return [
            share(KEPT_PROMPTS, kept, group=SELECTED),
            share(EMPTY_COMPLETIONS, self._empty.values, group=CANDIDATES),
            *(
                share(MODEL_SHARE, [float(group == label) for group in groups], group=label)
                for label in self._labels
            ),
        ]


def _change(before: Mean, after: Mean) -> Metric:
    change = difference(before, after)
    n_total = len(before.units)
    if isinstance(change, str) or change.value is None:
        reason = change if isinstance(change, str) else "no prompt has a value before and after"
        return Metric(before.name, None, None, None, 0, n_total, CHANGE, reason, PROMPTS, "none")
    return Metric(
        before.name,
        change.value,
        change.ci_low,
        change.ci_high,
        change.n,
        n_total,
        CHANGE,
        change.reason,
        PROMPTS,
        change.method,
    )


def _percentiles(target: str, values: Sequence[float], total: int, group: str) -> list[Metric]:
    """Percentiles over single completions, by linear interpolation, without intervals."""
    import numpy as np

    if not values:
        return []
    return [
        Metric(
            f"{target}_p{percent}",
            float(value),
            None,
            None,
            len(values),
            total,
            group,
            unit="completions",
            interval_method="none",
        )
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    defined = _defined(values)
    return mean_value(defined) if defined else None


def _defined(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
