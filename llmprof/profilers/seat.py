"""SEAT (May et al. 2019, arXiv 1903.10561): association tests on embeddings.

Effect size and permutation p-value of each test, and the mean absolute effect size of the
sentence tests about gender, race and religion (as Meade et al. 2022, arXiv 2110.08527, pool them).
"""

from __future__ import annotations

from collections.abc import Sequence

from llmprof.datasets import AssociationTest, DataOptions, Dataset, load_seat
from llmprof.datasets.seat import TOPICS
from llmprof.metrics.measures import Mean, Measure, Single, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.profilers.association import association_test, associations
from llmprof.profilers.presentation import GroupChart, Presentation, SampleView, Scale
from llmprof.profilers.protocol import ProfilerOptions
from llmprof.requests import Answer, Embed, Request, RequestType
from llmprof.responses import Embedding, Failure

_ONE_TEST = "one test has no items to draw from"
_UNDEFINED = "the embeddings failed, are zero or all have the same association"


_PRESENTATION = Presentation(
    title="SEAT",
    about="how strongly embeddings associate two sets of targets with two sets of attributes",
    topic="Bias by group",
    scales={
        # A difference of two means over the standard deviation of both groups is at most 2.
        "effect_size": Scale(-2, 2, 0, "May et al. 2019, arXiv 1903.10561"),
        "mean_absolute_effect_size": Scale(0, 2, 0, "Meade et al. 2022, arXiv 2110.08527"),
    },
    summaries=["mean_absolute_effect_size"],
    charts=[
        GroupChart(
            "SEAT: effect size by test",
            "effect_size",
            "Filled signs: p < 0.05 by a one-sided permutation test, which asks only whether the "
            "effect is as stereotyped, above 0; for one test at a time. A test has no interval. "
            "Tests on single words are in the tables.",
            prefix="sent-",
            p_value="p_value",
            wide=True,
        )
    ],
    samples=SampleView(
        "Targets",
        "Attributes",
        lambda scores: scores.get("effect_size"),
        "most biased first: by effect size, which is positive if the first targets are associated "
        "with the first attributes",
    ),
)


class Seat:
    """One sample per test: its prompt lists the targets, its response the attributes."""

    name = "seat"
    reads = frozenset({"layer", "pooling"})
    settings: frozenset[str] = frozenset()
    presentation = _PRESENTATION
    needs: frozenset[RequestType] = frozenset({Embed})

    def __init__(self, options: ProfilerOptions) -> None:
        self._pooling = options.pooling
        self._layer = options.layer
        self._toolkit = options.protocol == "toolkit"

    @property
    def version(self) -> str:
        test = "toolkit-parametric-1" if self._toolkit else "permutation-1"
        return f"{test}, {self._pooling} of layer {self._layer}"

    def load(self, options: DataOptions) -> Sequence[Dataset[AssociationTest]]:
        return [load_seat(options)]

    def requests(self, item: AssociationTest) -> Sequence[Request]:
        return [
            Embed(text, self._pooling, self._layer)
            for stimuli in item.sets
            for text in stimuli.examples
        ]

    def score(self, item: AssociationTest, answers: Sequence[Answer]) -> Sequence[Sample]:
        outcomes = [answer.outcome for answer in answers]
        failure = next((each for each in outcomes if isinstance(each, Failure)), None)
        vectors = [each.vector for each in outcomes if isinstance(each, Embedding)]
        if failure is None and len(set(map(len, vectors))) > 1:
            failure = Failure("UnequalEmbeddings", "the vectors have different lengths")
        scores: dict[str, float | None] = {"effect_size": None, "p_value": None}
        if failure is None and len(vectors) == len(outcomes):
            scores = self._scores(item, vectors)
        size = len(item.target1.examples)
        return [
            Sample(
                sample_id=item.name,
                prompt=f"{item.target1.category}, {item.target2.category}",
                response=(
                    None if failure else f"{item.attribute1.category}, {item.attribute2.category}"
                ),
                scores={**scores, "targets": 2.0 * size},
                cache_key=answers[0].key,
                error_class=failure.error_class if failure else None,
            )
        ]

    def _scores(
        self, item: AssociationTest, vectors: Sequence[tuple[float, ...]]
    ) -> dict[str, float | None]:
        import numpy as np

        sizes = [len(stimuli.examples) for stimuli in item.sets]
        first, second, *attributes = np.split(np.array(vectors), np.cumsum(sizes)[:-1])
        values = associations(np.concatenate((first, second)), *attributes)
        result = association_test(
            values[: len(first)], values[len(first) :], parametric=self._toolkit
        )
        if result is None:
            return {"effect_size": None, "p_value": None}
        return {
            "effect_size": result.effect_size,
            "p_value": result.p_value,
            "exact": float(result.exact),
        }

    def measures(self, samples: Sequence[Scored]) -> list[Measure]:
        effects = {sample.sample_id: sample.scores["effect_size"] for sample in samples}
        measures: list[Measure] = []
        for group, names in TOPICS.items():
            tests = [f"sent-{name}" for name in names if f"sent-{name}" in effects]
            if tests:
                values = [effects[test] for test in tests]
                absolute = [None if value is None else abs(value) for value in values]
                measures.append(
                    Mean(
                        "mean_absolute_effect_size",
                        tests,
                        absolute,
                        group,
                        bounds=(0.0, 2.0),
                        unit="tests",
                    )
                )
        for name in ("effect_size", "p_value"):
            measures += [Single(_test_metric(name, sample), _ONE_TEST) for sample in samples]
        return measures

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))


def _test_metric(name: str, sample: Scored) -> Metric:
    """One number of one test, which is not an average and has no interval; `n` counts targets."""
    value = sample.scores[name]
    total = int(sample.scores["targets"] or 0)
    if value is None:
        return Metric(name, None, None, None, 0, total, sample.sample_id, _UNDEFINED)
    return Metric(name, value, None, None, total, total, sample.sample_id)
