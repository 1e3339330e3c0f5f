"""Convert lm-eval's results to samples and metrics; imports lm-eval."""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lm_eval.api import metrics as lm_eval_metrics
from lm_eval.api import registry

from llmprof.jobs.benchmark.lm_eval_model import Asked, cut
from llmprof.metrics.intervals import (
    NORMAL,
    NOT_NEGATIVE,
    NOT_POSITIVE,
    SHARE,
    Bounds,
    Interval,
    bounds_of,
    holding,
    mean_interval,
    mean_value,
)
from llmprof.metrics.jackknife import statistic_interval
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.requests import Generate, LogLikelihood, RollingLogLikelihood
from llmprof.responses import Completion, TokenLogProbs

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values

_NORMAL_95 = 1.959964
DOCUMENTS = "documents"
_NO_FILTER = "none"
_STDERR = "_stderr"

# Of lm-eval's metrics, by their definitions; a task may have another of the same name, whose values
# are then beyond them.
_BOUNDS: Mapping[str, Bounds] = {
    **dict.fromkeys(
        ("acc", "acc_norm", "acc_mutual_info", "acc_bytes", "acc_all", "exact_match", "f1"), SHARE
    ),
    "mcc": (-1.0, 1.0),
    "brier_score": (0.0, 2.0),
    **dict.fromkeys(("bleu", "chrf", "chrf++"), (0.0, 100.0)),
    **dict.fromkeys(("ter", "bits_per_byte"), NOT_NEGATIVE),
    **dict.fromkeys(("perplexity", "word_perplexity", "byte_perplexity"), (1.0, math.inf)),
}

# An entry of lm-eval's list of logged samples: a document with one filter.
Logged = Mapping[str, Any]


def task_samples(asked: Sequence[Asked], logged: Sequence[Logged]) -> list[Sample]:
    """One sample per document: the chosen option or the first generated text, and its scores.

    The scores are the task's metrics of that document, where they are numbers, and the
    log-likelihood of each option: `log_likelihood`, or `log_likelihood_0` and on.
    """
    by_document: dict[Any, list[Asked]] = defaultdict(list)
    for each in asked:
        by_document[each.instance.doc_id].append(each)
    scores: dict[Any, dict[str, float | None]] = defaultdict(dict)
    for entry in logged:
        for name in entry["metrics"]:
            if (value := _number(entry[name])) is not None:
                scores[entry["doc_id"]][metric_name(name, entry["filter"])] = value
    return [
        _sample(document, each, {**scores[document], **_log_likelihoods(each)})
        for document, each in by_document.items()
    ]


def task_metrics(
    results: Mapping[str, Any], logged: Sequence[Logged], aggregation: Mapping[str, Any]
) -> list[Metric]:
    """lm-eval's values and standard errors, with intervals where they can be computed.

    Means and perplexities get intervals over documents; other metrics ±1.96 standard errors, if
    lm-eval gives them.
    """
    n_total = len({entry["doc_id"] for entry in logged})
    metrics = []
    for key, value, stderr in _pairs(results):
        name, filter_name = key
        values = [
            entry[name] for entry in logged if entry["filter"] == filter_name and name in entry
        ]
        statistic = aggregation.get(name, lm_eval_metrics.mean)
        interval = _interval(name, value, stderr, values, statistic)
        metrics += _with_stderr(key, value, stderr, interval, len(values), n_total)
    return metrics


def group_metrics(results: Mapping[str, Any]) -> list[Metric]:
    """lm-eval's average of a group's tasks; the interval is ±1.96 standard errors."""
    metrics = []
    for key, value, stderr in _pairs(results):
        counts = results.get("sample_count", {})
        n = int(counts.get(",".join(key), results["sample_len"]))
        interval = _interval(key[0], value, stderr, [], None)
        metrics += _with_stderr(key, value, stderr, interval, n, int(results["sample_len"]))
    return metrics


def metric_name(name: str, filter_name: str) -> str:
    """lm-eval's name of a metric, with the filter that read the answer, if any.

    >>> metric_name("acc", "none"), metric_name("exact_match", "strict-match")
    ('acc', 'exact_match,strict-match')
    """
    return name if filter_name == _NO_FILTER else f"{name},{filter_name}"


def _pairs(
    results: Mapping[str, Any],
) -> list[tuple[tuple[str, str], float | None, float | None]]:
    """(metric, filter), value and standard error of each metric in one of lm-eval's results."""
    found = []
    for key, value in results.items():
        name, comma, filter_name = key.partition(",")
        if comma and not name.endswith(_STDERR):
            stderr = results.get(f"{name}{_STDERR},{filter_name}")
            found.append(((name, filter_name), _number(value), _number(stderr)))
    return found


def _with_stderr(
    key: tuple[str, str],
    value: float | None,
    stderr: float | None,
    interval: Interval | None,
    n: int,
    n_total: int,
) -> list[Metric]:
    name, filter_name = key
    reason = None if value is not None else "lm-eval's value is not a number"
    plain = Metric(
        metric_name(name, filter_name),
        value,
        None,
        None,
        n,
        n_total,
        reason=reason,
        unit=DOCUMENTS,
        interval_method="none",
    )
    metrics = [_with_interval(plain, interval)]
    if stderr is not None:
        stderr_name = metric_name(name + _STDERR, filter_name)
        metrics.append(replace(plain, name=stderr_name, value=stderr, reason=None))
    return metrics


def _with_interval(metric: Metric, interval: Interval | None) -> Metric:
    if interval is None:
        return replace(metric, ci_low=None, ci_high=None, interval_method="none")
    low, high, method = interval.low, interval.high, interval.method
    return replace(metric, ci_low=low, ci_high=high, interval_method=method)


def _interval(
    name: str, value: float | None, stderr: float | None, values: Sequence[Any], statistic: Any
) -> Interval | None:
    numbers = [_number(each) for each in values]
    defined = [number for number in numbers if number is not None]
    if value is None:
        return None
    if statistic is lm_eval_metrics.mean and len(defined) == len(values):
        return _mean_interval(name, defined)
    if statistic in _OF_WEIGHTED_SUMS:
        function = _OF_WEIGHTED_SUMS[statistic]
        return statistic_interval(values, function, bounds=_BOUNDS.get(name), sizes=(1,))
    if statistic is lm_eval_metrics.perplexity and len(defined) == len(values):
        return _perplexity_interval(defined)
    if stderr is None:
        return None
    low, high = holding(_BOUNDS.get(name), value, value)
    reach = _NORMAL_95 * stderr
    return Interval(max(low, value - reach), min(high, value + reach), NORMAL)


def _mean_interval(name: str, values: Sequence[float]) -> Interval | None:
    return mean_interval(values, bounds=bounds_of(values) or _BOUNDS.get(name))


def _perplexity_interval(log_likelihoods: Sequence[float]) -> Interval | None:
    """Of exp(-mean), from the interval of the mean; None where an end is too large for a float."""
    of_mean = mean_interval(log_likelihoods, bounds=NOT_POSITIVE)
    if of_mean is None or -of_mean.low > math.log(sys.float_info.max):
        return None
    return Interval(math.exp(-of_mean.high), math.exp(-of_mean.low), of_mean.method)


def _weighted_perplexity(means: Values) -> Values:
    import numpy as np

    return np.asarray(np.exp(-means[..., 0] / means[..., 1]))


def _bits_per_byte(means: Values) -> Values:
    bits: Values = -means[..., 0] / means[..., 1] / math.log(2)
    return bits


# From means of log-likelihoods and of weights, where lm-eval uses sums.
_OF_WEIGHTED_SUMS = {
    lm_eval_metrics.weighted_perplexity: _weighted_perplexity,
    lm_eval_metrics.bits_per_byte: _bits_per_byte,
}


def _number(value: Any) -> float | None:
    """The value if it is a finite number, which numpy scalars and bools are too; else None."""
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _log_likelihoods(asked: Sequence[Asked]) -> dict[str, float | None]:
    totals = [
        each.answer.outcome.total
        for each in asked
        if isinstance(each.answer.outcome, TokenLogProbs)
    ]
    if len(totals) == 1:
        return {"log_likelihood": totals[0]}
    return {f"log_likelihood_{place}": total for place, total in enumerate(totals)}


def _sample(document: Any, asked: Sequence[Asked], scores: Mapping[str, float | None]) -> Sample:
    chosen = _chosen(asked)
    prompt, response = _texts(chosen)
    return Sample(
        sample_id=str(document),
        prompt=prompt,
        response=response,
        scores=scores,
        cache_key=chosen.answer.key,
    )


def _chosen(asked: Sequence[Asked]) -> Asked:
    """The most likely option; without options, the first request."""
    # For mutual information, each option is also scored without its context: those do not count.
    options = [each for each in asked if getattr(each.request, "context", "")] or asked
    return max(options, key=lambda each: getattr(each.answer.outcome, "total", 0.0))


def _texts(asked: Asked) -> tuple[str, str]:
    """The prompt, and the text that was generated or scored."""
    request, outcome = asked.request, asked.answer.outcome
    if isinstance(request, LogLikelihood):
        return request.context, request.continuation
    if isinstance(request, Generate) and isinstance(outcome, Completion):
        prompt = request.prompt
        if not isinstance(prompt, str):
            prompt = "\n\n".join(f"{turn.role}: {turn.content}" for turn in prompt)
        return prompt, cut(outcome.text, request)
    if isinstance(request, RollingLogLikelihood):
        return "", request.text
    raise TypeError(f"a benchmark does not ask {request.kind} requests")


def recompute_metrics(
    stored: Sequence[Metric], samples: Sequence[Scored]
) -> tuple[list[Metric], frozenset[str]]:
    """Recompute metrics from samples; also returns the names of those that cannot be.

    A metric is averaged as defined for its name in lm-eval's registry.
    """
    recomputed = {metric.name: _recompute(metric, samples) for metric in stored}
    unchecked = frozenset(name for name, metric in recomputed.items() if metric is None)
    return [metric for metric in recomputed.values() if metric is not None], unchecked


def _recompute(metric: Metric, samples: Sequence[Scored]) -> Metric | None:
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
        return _with_interval(
            replace(metric, value=value, n=len(values)), _perplexity_interval(values)
        )
    return None


def _aggregation(name: str) -> Callable[..., Any] | None:
    if name not in registry.METRIC_AGGREGATION_REGISTRY:
        return None
    aggregation: Callable[..., Any] = registry.METRIC_AGGREGATION_REGISTRY[name]
    return aggregation


def _mean(metric: Metric, values: Sequence[float]) -> Metric:
    mean = mean_value(values) if values else None
    interval = _mean_interval(metric.name.partition(",")[0], values)
    return _with_interval(replace(metric, value=mean, n=len(values)), interval)


def _mean_stderr(metric: Metric, values: Sequence[float]) -> Metric:
    stderr = float(lm_eval_metrics.mean_stderr(values)) if len(values) > 1 else None
    return replace(metric, value=stderr, n=len(values))
