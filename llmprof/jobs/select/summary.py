"""What a selection does: every metric before and after, and whose completions were kept."""

from __future__ import annotations

from collections.abc import Sequence

from llmprof.jobs.select.candidates import Pool, is_spoken
from llmprof.jobs.select.metrics import metric_names
from llmprof.metrics.bootstrap import mean_metric, mean_value, paired_difference
from llmprof.metrics.samples import Metric, Sample

CANDIDATES = "candidates"
SELECTED = "selected"
RANDOM = "random"
CHANGE = "change"
KEPT_PROMPTS = "kept_prompts"
EMPTY_COMPLETIONS = "empty_completions"
MODEL_SHARE = "model_share"
PERCENTILES = (5, 25, 50, 75, 95)

Picks = Sequence[Sample | None]


def selection_metrics(
    pools: Sequence[Pool], kept: Picks, control: Picks, target: str, labels: Sequence[str]
) -> list[Metric]:
    """All that a selection is judged by; the unit is the prompt.

    `kept[i]` and `control[i]` are what was kept of `pools[i]`, and what a random choice keeps.
    Groups: `candidates` is the mean over prompts of the mean over a prompt's completions, which a
    random choice has on average; `selected` the mean over what is kept; `change` the mean, over
    prompts that have both, of the second less the first; `random` (the target only) that of
    the random choice. `model_share` has a group for each of `labels`.
    """
    names = [name for name in metric_names() if _is_known(name, pools)]
    names.sort(key=lambda name: name != target)
    metrics = [metric for name in names for metric in _before_and_after(name, pools, kept)]
    metrics.append(mean_metric(target, _values(target, control), group=RANDOM))
    metrics += _percentiles(target, [sample for pool in pools for sample in pool], CANDIDATES)
    metrics += _percentiles(target, [sample for sample in control if sample], RANDOM)
    metrics += _percentiles(target, [sample for sample in kept if sample], SELECTED)
    return [*metrics, *_shares(pools, kept, labels)]


def _before_and_after(name: str, pools: Sequence[Pool], kept: Picks) -> list[Metric]:
    before = [_mean([sample.scores.get(name) for sample in pool]) for pool in pools]
    after = _values(name, kept)
    change = paired_difference(zip(before, after, strict=True))
    reason = None if change.n else "no prompt has it before and after"
    return [
        mean_metric(name, before, group=CANDIDATES),
        mean_metric(name, after, group=SELECTED),
        Metric(
            name, change.value, change.ci_low, change.ci_high, change.n, len(pools), CHANGE, reason
        ),
    ]


def _percentiles(target: str, samples: Sequence[Sample], group: str) -> list[Metric]:
    """Percentiles of single completions, by linear interpolation; no averages, so no intervals."""
    import numpy as np

    values = [value for sample in samples if (value := sample.scores.get(target)) is not None]
    if not values:
        return []
    return [
        Metric(f"{target}_p{percent}", float(value), None, None, len(values), len(samples), group)
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    ]


def _shares(pools: Sequence[Pool], kept: Picks, labels: Sequence[str]) -> list[Metric]:
    generated = [[sample for sample in pool if sample.response is not None] for pool in pools]
    empty = [_mean([float(not is_spoken(sample)) for sample in pool]) for pool in generated]
    groups = [sample.group for sample in kept if sample]
    return [
        mean_metric(KEPT_PROMPTS, [float(sample is not None) for sample in kept], group=SELECTED),
        mean_metric(EMPTY_COMPLETIONS, empty, group=CANDIDATES),
        *(
            mean_metric(MODEL_SHARE, [float(group == label) for group in groups], group=label)
            for label in labels
        ),
    ]


def _is_known(name: str, pools: Sequence[Pool]) -> bool:
    return any(sample.scores.get(name) is not None for pool in pools for sample in pool)


def _values(name: str, picks: Picks) -> list[float | None]:
    return [None if sample is None else sample.scores.get(name) for sample in picks]


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return mean_value(defined) if defined else None
