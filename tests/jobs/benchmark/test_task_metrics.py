"""Intervals of lm-eval's metrics lie within what the metrics can be."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

pytest.importorskip("lm_eval")

from lm_eval.api import metrics as of_lm_eval

from llmprof.jobs.benchmark.task_metrics import group_metrics, recompute_metrics, task_metrics
from llmprof.metrics.samples import Metric, Sample


def interval(
    name: str, value: float, stderr: float | str, values: Sequence[Any], statistic: object
) -> tuple[float, float]:
    results: Mapping[str, Any] = {f"{name},none": value, f"{name}_stderr,none": stderr}
    logged = [{"doc_id": place, "filter": "none", name: each} for place, each in enumerate(values)]
    found = task_metrics(results, logged, {name: statistic})[0]
    assert found.ci_low is not None and found.ci_high is not None
    return found.ci_low, found.ci_high


@pytest.mark.parametrize(
    ("name", "value", "statistic", "ends"),
    [
        ("f1", 0.03, of_lm_eval.f1_score, (0.0, 0.226)),
        ("f1", 0.97, of_lm_eval.f1_score, (0.774, 1.0)),
        ("mcc", -0.95, of_lm_eval.matthews_corrcoef, (-1.0, -0.754)),
        ("bleu", 0.1, of_lm_eval.bleu, (0.0, 0.296)),
        ("ter", 0.1, of_lm_eval.ter, (0.0, 0.296)),
        # A task's own metric of that name, in percent.
        ("f1", 97.0, of_lm_eval.f1_score, (96.804, 97.196)),
        ("unheard_of", 0.03, of_lm_eval.f1_score, (-0.166, 0.226)),
    ],
)
def test_standard_errors_lead_no_further_than_the_metric(
    name: str, value: float, statistic: object, ends: tuple[float, float]
) -> None:
    assert interval(name, value, 0.1, ["a", "b"], statistic) == pytest.approx(ends, abs=1e-3)


def test_a_group_has_the_bounds_of_its_metric() -> None:
    results = {"acc,none": 0.95, "acc_stderr,none": 0.1, "sample_len": 9}
    found, _ = group_metrics(results)
    assert found.ci_low == pytest.approx(0.754, abs=1e-3)
    assert found.ci_high == 1.0


def test_perplexities_are_at_least_1_and_bits_not_negative() -> None:
    # Of (log-likelihood, words); one text is far less likely than the others.
    rows = [(-0.1, 10), (-0.1, 10), (-9.0, 10)]
    perplexity = of_lm_eval.weighted_perplexity(rows)
    assert (
        interval("word_perplexity", perplexity, "N/A", rows, of_lm_eval.weighted_perplexity)[0] == 1
    )
    bits = of_lm_eval.bits_per_byte(rows)
    assert interval("bits_per_byte", bits, "N/A", rows, of_lm_eval.bits_per_byte)[0] == 0
    logs = [-0.1, -0.1, -9.0]
    assert interval("perplexity", math.exp(9.2 / 3), "N/A", logs, of_lm_eval.perplexity)[0] == 1


def test_scores_of_documents_between_0_and_1_are_bounded_when_stored_and_recomputed() -> None:
    values = [0.0, 0.0, 0.9]
    low, high = interval("f1", 0.3, "N/A", values, of_lm_eval.mean)
    assert (low, high) == (0.0, 1.0)
    samples = [Sample(str(place), "", "", {"acc": each}) for place, each in enumerate(values)]
    stored = Metric("acc", 0.3, low, high, 3, 3)
    ((found,), _) = recompute_metrics([stored], samples)
    assert (found.ci_low, found.ci_high) == (low, high)
