"""Recomputes a benchmark task's metrics from its stored samples; imports lm-eval.

A sample holds a metric of its document where that is one number, so that means and perplexities
follow from the samples. What lm-eval makes of more than a number a document (F1, BLEU, perplexities
by word), metrics of a task's own making, standard errors by lm-eval's own bootstrap, and averages
of groups do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lm_eval.api import metrics as lm_eval_metrics
from lm_eval.api import registry

from llmprof.metrics.bootstrap import bootstrap_interval, mean_value
from llmprof.metrics.samples import Metric, Sample

_STDERR = "_stderr"


def recompute_metrics(
    stored: Sequence[Metric], samples: Sequence[Sample]
) -> tuple[list[Metric], frozenset[str]]:
    """The metrics that follow from the samples, and the names of those that do not.

    A metric is taken to be averaged as lm-eval's registry says under its name. Of a perplexity,
    only the value is recomputed.
    """
    recomputed = {metric.name: _recompute(metric, samples) for metric in stored}
    unchecked = frozenset(name for name, metric in recomputed.items() if metric is None)
    return [metric for metric in recomputed.values() if metric is not None], unchecked


def _recompute(metric: Metric, samples: Sequence[Sample]) -> Metric | None:
    if not samples or metric.value is None:
        return None
    name, comma, filter_name = metric.name.partition(",")
    stem = name.removesuffix(_STDERR)
    found = (each.scores.get(f"{stem}{comma}{filter_name}") for each in samples)
    values = [score for score in found if score is not None]
    aggregation = _aggregation(stem)
    if aggregation is lm_eval_metrics.mean:
        return _mean_stderr(metric, values) if name != stem else _mean(metric, values)
    if aggregation is lm_eval_metrics.perplexity and name == stem:
        value = float(aggregation(values)) if values else None
        return replace(metric, value=value, n=len(values))
    return None


def _aggregation(name: str) -> Callable[..., Any] | None:
    if name not in registry.METRIC_AGGREGATION_REGISTRY:
        return None
    aggregation: Callable[..., Any] = registry.METRIC_AGGREGATION_REGISTRY[name]
    return aggregation


def _mean(metric: Metric, values: Sequence[float]) -> Metric:
    low, high = bootstrap_interval(values) or (None, None)
    mean = mean_value(values) if values else None
    return replace(metric, value=mean, ci_low=low, ci_high=high, n=len(values))


def _mean_stderr(metric: Metric, values: Sequence[float]) -> Metric:
    stderr = float(lm_eval_metrics.mean_stderr(values)) if len(values) > 1 else None
    return replace(metric, value=stderr, n=len(values))
