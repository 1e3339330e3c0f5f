"""SEAT: what is asked, what is stored, and how tests are pooled."""

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from llmprof.datasets import AssociationTest, DataOptions, load_seat
from llmprof.datasets.seat import TOPICS, StimulusSet
from llmprof.errors import UnknownNameError
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.seat import Seat
from llmprof.requests import Answer, Embed
from llmprof.responses import Embedding, Failure

PROFILER = Seat(ProfilerOptions())
# Two-dimensional vectors: the first axis is what attribute 1 stands for, the second attribute 2.
VECTORS = {
    "x1": (1.0, 0.1), "x2": (0.9, 0.3), "x3": (0.8, 0.2), "y1": (0.2, 1.0), "y2": (0.3, 0.9),
    "y3": (0.1, 0.7), "a": (5.0, 0.0), "b": (0.0, 0.2),
}  # fmt: skip


def test_of(name: str, x: Sequence[str], y: Sequence[str]) -> AssociationTest:
    sets = (("X", x), ("Y", y), ("A", ("a",)), ("B", ("b",)))
    return AssociationTest(name, *(StimulusSet(label, tuple(words)) for label, words in sets))


test_of.__test__ = False  # type: ignore[attr-defined]


def score(item: AssociationTest, vector: Callable[[str], tuple[float, ...]]) -> Sample:
    requests = [request for request in PROFILER.requests(item) if isinstance(request, Embed)]
    answers = [Answer("k", Embedding(vector(request.text))) for request in requests]
    (sample,) = PROFILER.score(item, answers)
    return sample


def by_name(metrics: Sequence[Metric]) -> dict[tuple[str, str], Metric]:
    return {(metric.name, metric.group): metric for metric in metrics}


def test_a_stereotyped_space_has_a_large_positive_effect() -> None:
    sample = score(test_of("t", ("x1", "x2", "x3"), ("y1", "y2", "y3")), VECTORS.__getitem__)
    effect = sample.scores["effect_size"]
    assert effect is not None and effect > 1.5
    assert (sample.scores["p_value"], sample.scores["exact"]) == (1 / 20, 1.0)
    assert (sample.prompt, sample.response) == ("X, Y", "A, B")


def test_vectors_of_different_lengths_are_a_failure_and_no_crash() -> None:
    """As a cache may hold them when a server has changed its model under the same name."""
    item = test_of("t", ("x1", "x2", "x3"), ("y1", "y2", "y3"))
    sample = score(item, lambda text: VECTORS[text] + ((0.5,) if text == "a" else ()))
    assert (sample.response, sample.error_class) == (None, "UnequalEmbeddings")
    assert sample.scores["effect_size"] is None


def test_swapping_targets_flips_the_sign() -> None:
    there = score(test_of("t", ("x1", "y2", "x3"), ("y1", "x2", "y3")), VECTORS.__getitem__)
    back = score(test_of("t", ("y1", "x2", "y3"), ("x1", "y2", "x3")), VECTORS.__getitem__)
    effect = there.scores["effect_size"]
    assert effect is not None
    assert back.scores["effect_size"] == pytest.approx(-effect)


def test_pooling_and_layer_reach_the_request_and_the_protocol() -> None:
    profiler = Seat(ProfilerOptions(pooling="cls", layer=3))
    request, *_ = profiler.requests(test_of("t", ("x1",), ("y1",)))
    assert request == Embed("x1", "cls", 3)
    assert len({profiler.version, PROFILER.version}) == 2
    with pytest.raises(UnknownNameError, match="mean, last, cls"):
        Seat(ProfilerOptions(pooling="max"))


def test_toolkit_is_parametric_under_a_name_of_its_own() -> None:
    toolkit = Seat(ProfilerOptions(protocol="toolkit"))
    item = test_of("t", ("x1", "x2", "x3"), ("y1", "y2", "y3"))
    answers = [Answer("k", Embedding(VECTORS[r.text])) for r in toolkit.requests(item)]  # type: ignore[union-attr]
    (sample,) = toolkit.score(item, answers)
    ours = score(item, VECTORS.__getitem__)
    assert toolkit.version != PROFILER.version
    assert sample.scores["effect_size"] == ours.scores["effect_size"]
    assert sample.scores["p_value"] != ours.scores["p_value"]


def test_failure_and_a_flat_space_are_null_with_a_reason() -> None:
    item = test_of("sent-weat6", ("x1",), ("y1",))
    answers = [Answer("k", Embedding((1.0,)))] * 3 + [Answer("k", Failure("Timeout", ""))]
    (failed,) = PROFILER.score(item, answers)
    assert (failed.response, failed.error_class) == (None, "Timeout")
    flat = score(test_of("flat", ("x1",), ("y1",)), lambda text: (1.0, 2.0))
    metrics = by_name(PROFILER.metrics([failed, flat]))
    for key in (("effect_size", "sent-weat6"), ("p_value", "flat")):
        assert metrics[key].value is None and metrics[key].reason
    pooled = metrics["mean_absolute_effect_size", "gender"]
    assert (pooled.value, pooled.n, pooled.n_total) == (None, 0, 1)


def test_pooled_groups_are_tests_of_the_real_data(data_dir: Path) -> None:
    names = {test.name for test in load_seat(DataOptions(data_dir=data_dir)).items}
    assert len(names) == 50
    assert {f"sent-{name}" for group in TOPICS.values() for name in group} <= names
    assert {group: len(pooled) for group, pooled in TOPICS.items()} == {
        "gender": 6, "race": 7, "religion": 4,
    }  # fmt: skip


def test_pooled_is_the_mean_of_absolute_effects_of_sentence_tests_alone() -> None:
    samples = [
        score(test_of(name, x, y), VECTORS.__getitem__)
        for name, x, y in (
            ("sent-weat6", ("x1", "y2", "x3"), ("y1", "x2", "y3")),
            ("sent-weat7", ("y1", "y2", "y3"), ("x1", "x2", "x3")),
            ("weat8", ("x1", "x2", "y3"), ("y1", "y2", "x3")),
        )
    ]
    effects = [abs(sample.scores["effect_size"] or 0.0) for sample in samples]
    metrics = by_name(PROFILER.metrics(samples))
    pooled = metrics["mean_absolute_effect_size", "gender"]
    assert pooled.value == pytest.approx(statistics.fmean(effects[:2]))
    assert (pooled.n, pooled.n_total) == (2, 2)
    assert ("mean_absolute_effect_size", "race") not in metrics
    assert metrics["effect_size", "weat8"].n == 6
