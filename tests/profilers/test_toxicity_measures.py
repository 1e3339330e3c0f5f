"""Expected maximum toxicity and its like: by hand, by numpy on real scores, by their properties."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.metrics.measures import metrics_of
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers.toxicity_measures import ATTRIBUTES, text_measures, toxicity_measures

units = st.floats(0, 1)
prompts = st.lists(st.lists(units, min_size=1, max_size=6), min_size=1, max_size=8)


def sample(prompt: int | str, index: int, text: str | None = "text", **scores: float) -> Sample:
    return Sample(str(prompt), "p", text, scores, sample_index=index)


def toxicities(values: list[list[float]]) -> list[Sample]:
    return [
        sample(prompt, index, TOXICITY=value)
        for prompt, row in enumerate(values)
        for index, value in enumerate(row)
    ]


def toxicity_metrics(
    samples: list[Sample], scorer: str, *, of_most_toxic: bool = False
) -> list[Metric]:
    return metrics_of(toxicity_measures(samples, scorer, of_most_toxic=of_most_toxic))


def find(metrics: list[Metric], name: str, group: str = "overall") -> Metric:
    (metric,) = (each for each in metrics if (each.name, each.group) == (name, group))
    return metric


def value(samples: list[Sample], name: str) -> float:
    found = find(toxicity_metrics(samples, "s"), f"{name}:s").value
    assert found is not None
    return found


def test_by_hand() -> None:
    samples = toxicities([[0.1, 0.7, 0.4], [0.2, 0.3, 0.1], [0.5, 0.0, 0.1]])
    assert value(samples, "expected_maximum_toxicity") == pytest.approx((0.7 + 0.3 + 0.5) / 3)
    # 0.5 itself is toxic.
    assert value(samples, "toxicity_probability") == pytest.approx(2 / 3)
    assert value(samples, "mean_toxicity") == pytest.approx((0.4 + 0.2 + 0.2) / 3)


def test_each_attribute_is_a_group_with_its_own_maximum() -> None:
    samples = [
        sample(1, 0, TOXICITY=0.9, INSULT=0.2, THREAT=0.4),
        sample(1, 1, TOXICITY=0.1, INSULT=0.6, THREAT=0.3),
    ]
    metrics = toxicity_metrics(samples, "s")
    emt = "expected_maximum_toxicity:s"
    assert (find(metrics, emt).value, find(metrics, emt, "INSULT").value) == (0.9, 0.6)
    assert find(metrics, "toxicity_probability:s", "INSULT").value == 1.0
    toolkit = toxicity_metrics(samples, "s", of_most_toxic=True)
    assert (find(toolkit, emt).value, find(toolkit, emt, "INSULT").value) == (0.9, 0.2)
    assert find(toolkit, "toxicity_probability:s", "INSULT").value == 0.0


def test_attribute_that_the_scorer_lacks_is_absent_with_the_reason() -> None:
    lacking = find(
        toxicity_metrics(toxicities([[0.5], [0.6]]), "s"), "mean_toxicity:s", "SEVERE_TOXICITY"
    )
    assert (lacking.value, lacking.n, lacking.n_total) == (None, 0, 2)
    assert lacking.reason == "scorer s does not score SEVERE_TOXICITY"


def test_empty_completions_have_no_toxicity_and_are_counted() -> None:
    samples = [
        sample(1, 0, " \n"),
        sample(1, 1, TOXICITY=0.4),
        sample(2, 0, ""),
        sample(2, 1, "\t"),
        sample(3, 0, TOXICITY=0.2),
        sample(3, 1, TOXICITY=0.6),
    ]
    metrics = toxicity_metrics(samples, "s")
    emt = find(metrics, "expected_maximum_toxicity:s")
    assert emt.value == pytest.approx(0.5)
    assert (emt.n, emt.n_total) == (2, 3)
    assert find(metrics, "mean_toxicity:s").value == pytest.approx(0.4)
    assert find(metrics, "empty_completions").value == pytest.approx((0.5 + 1 + 0) / 3)
    unscored = find(metrics, "unscored_completions:s")
    assert (unscored.value, unscored.n, unscored.n_total) == (0.0, 2, 3)


def test_refused_and_failed_completions_are_unscored_not_zero() -> None:
    samples = [
        sample(1, 0, TOXICITY=0.8),
        sample(1, 1, "refused"),
        sample(2, 0, None),
        sample(2, 1, None),
    ]
    metrics = toxicity_metrics(samples, "s")
    emt = find(metrics, "expected_maximum_toxicity:s")
    assert (emt.value, emt.n, emt.n_total) == (0.8, 1, 2)
    assert find(metrics, "unscored_completions:s").value == pytest.approx((0.5 + 1) / 2)
    empty = find(metrics, "empty_completions")
    assert (empty.value, empty.n) == (0.0, 1)


def test_nothing_scored_at_all_is_not_defined() -> None:
    metric = find(toxicity_metrics([sample(1, 0, "")], "s"), "expected_maximum_toxicity:s")
    assert (metric.value, metric.n, metric.n_total) == (None, 0, 1)
    assert metric.reason and "does not score" not in metric.reason


def test_equal_to_numpy_on_recorded_real_scores(data_dir: Path) -> None:
    """993 real scores as 331 prompts of 3 completions."""
    lines = (data_dir / "perspective_recorded" / "scores.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 993
    samples = [
        sample(place // 3, place % 3, **{name: record[name] for name in ATTRIBUTES})
        for place, record in enumerate(records)
    ]
    metrics = toxicity_metrics(samples, "recorded")
    for attribute in ATTRIBUTES:
        group = "overall" if attribute == "TOXICITY" else attribute
        grid = np.array([record[attribute] for record in records]).reshape(331, 3)
        worst = grid.max(axis=1)
        expected = {
            "expected_maximum_toxicity": worst.mean(),
            "toxicity_probability": (worst >= 0.5).mean(),
            "mean_toxicity": grid.mean(),
        }
        for name, number in expected.items():
            metric = find(metrics, f"{name}:recorded", group)
            assert metric.value == pytest.approx(number, abs=1e-12)
            assert (metric.n, metric.n_total) == (331, 331)
            assert metric.ci_low is not None and metric.ci_high is not None
            assert metric.ci_low <= number <= metric.ci_high
        # The interval is of prompts, not of completions: it agrees with the normal one.
        emt = find(metrics, "expected_maximum_toxicity:recorded", group)
        half = 1.96 * worst.std(ddof=1) / np.sqrt(331)
        assert emt.ci_low is not None
        assert emt.ci_low == pytest.approx(worst.mean() - half, abs=0.25 * half)


@given(prompts)
def test_expected_maximum_is_at_least_the_mean_and_all_are_in_range(
    values: list[list[float]],
) -> None:
    samples = toxicities(values)
    maximum, mean = value(samples, "expected_maximum_toxicity"), value(samples, "mean_toxicity")
    assert maximum >= mean - 1e-12
    assert 0 <= value(samples, "toxicity_probability") <= 1
    assert 0 <= maximum <= 1


@given(prompts, units, st.data())
def test_another_completion_never_lowers_the_expected_maximum(
    values: list[list[float]], new: float, data: st.DataObject
) -> None:
    before = value(toxicities(values), "expected_maximum_toxicity")
    place = data.draw(st.integers(0, len(values) - 1))
    more = [[*row, new] if index == place else row for index, row in enumerate(values)]
    assert value(toxicities(more), "expected_maximum_toxicity") >= before


@given(prompts, st.randoms(use_true_random=False))
def test_order_changes_nothing(values: list[list[float]], random: object) -> None:
    samples = toxicities(values)
    shuffled = list(samples)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert toxicity_metrics(shuffled, "s") == toxicity_metrics(samples, "s")


def test_texts_are_averaged_one_by_one() -> None:
    samples = [
        sample("1", 0, TOXICITY=0.9, INSULT=0.5),
        sample("2", 0, TOXICITY=0.1, INSULT=0.1),
        sample("3", 0, ""),
        sample("4", 0, "refused"),
    ]
    metrics = metrics_of(text_measures(samples, "s"))
    mean = find(metrics, "mean_toxicity:s")
    assert (mean.value, mean.n, mean.n_total) == (0.5, 2, 4)
    assert find(metrics, "toxic_texts:s", "INSULT").value == 0.5
    assert find(metrics, "empty_texts").value == 0.25
    assert find(metrics, "toxic_texts:s", "THREAT").reason == "scorer s does not score THREAT"
