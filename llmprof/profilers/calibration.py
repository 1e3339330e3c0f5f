"""Calibration on multiple-choice questions: whether confidence matches accuracy.

The options of a question are scored by log-likelihood. The softmax over their scores is the model's
belief; its largest entry is the confidence (Guo et al. 2017, arXiv 1706.04599; HELM, arXiv
2211.09110, section 4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from llmprof.datasets import DataOptions, Dataset, MultipleChoice, load_multiple_choice
from llmprof.metrics.intervals import SHARE, Bounds
from llmprof.metrics.measures import Mean, Measure, Single, mean_metric, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.profilers.calibration_error import (
    QUESTIONS,
    CalibrationError,
    equal_mass_bins,
    equal_width_bins,
)
from llmprof.profilers.multiple_choice import (
    PER_CHARACTER,
    PER_TOKEN,
    RAW,
    best,
    needed,
    option_requests,
    option_scores,
    softmax,
)
from llmprof.profilers.presentation import Presentation, ReliabilityChart, SampleView, Scale
from llmprof.profilers.prompt_formats import scored_prompt
from llmprof.profilers.protocol import ProfilerOptions
from llmprof.requests import Answer, Request, RequestType
from llmprof.responses import Failure

if TYPE_CHECKING:
    from llmprof.metrics.intervals import Values
    from llmprof.profilers.calibration_error import Bins

BINS = 10
MINIMUM_ITEMS = 300
_FEW = f"fewer than {MINIMUM_ITEMS} items: the error comes out too high, and varies much"
_OTHER_ITEMS = "the items in this bin differ between runs"


def _confidence_when_wrong(scores: Mapping[str, float | None]) -> float | None:
    """The confidence in a wrong answer, by the variant that the samples have."""
    for how in (RAW, PER_TOKEN):
        if (correct := scores.get(f"correct_{how}")) is not None:
            return scores.get(f"confidence_{how}") if correct == 0 else None
    return None


_ERROR = Scale(0, 1, 0, "Guo et al. 2017, arXiv 1706.04599")
_PRESENTATION = Presentation(
    title="Calibration",
    about="whether a model's confidence matches its accuracy, on multiple-choice questions",
    scales={
        "accuracy": Scale(0, 1, 1, "share of right answers"),
        "ece_1_bin": _ERROR,
        f"ece_{BINS}_bins": _ERROR,
        f"ece_{BINS}_bins_equal_width": _ERROR,
        "brier_score": Scale(0, 2, 0, "Brier 1950"),
    },
    variants={
        f"_{RAW}": "options scored raw",
        f"_{PER_CHARACTER}": "options scored per character",
        f"_{PER_TOKEN}": "options scored per token",
    },
    words={"ece": "ECE"},
    charts=[
        ReliabilityChart(
            "bin_confidence",
            "bin_accuracy",
            "Questions in bins of equally many, by the model's confidence in its answer.",
        )
    ],
    samples=SampleView(
        "Question",
        "Answer",
        _confidence_when_wrong,
        "wrong answers first, the most confident of them before others",
    ),
)


class Calibration:
    """Accuracy, calibration errors and the points of a reliability diagram, as fractions.

    Every metric's name ends with how the options were scored.
    """

    name = "calibration"
    reads = frozenset({"calibration_data"})
    settings = frozenset({"system_prompt"})
    presentation = _PRESENTATION

    def __init__(self, options: ProfilerOptions) -> None:
        self._options = options
        self._toolkit = options.protocol == "toolkit"
        self._normalisations = (PER_TOKEN,) if self._toolkit else (RAW, PER_CHARACTER)

    @property
    def version(self) -> str:
        return "softmax-toolkit-2" if self._toolkit else "softmax-original-1"

    @property
    def needs(self) -> frozenset[RequestType]:
        return needed(self._normalisations[0])

    def load(self, options: DataOptions) -> Sequence[Dataset[MultipleChoice]]:
        return load_multiple_choice(self._options.calibration_data, options, raw=self._toolkit)

    def requests(self, item: MultipleChoice) -> Sequence[Request]:
        prompt = scored_prompt(item.question, self._options)
        return option_requests(prompt, item.options, self._normalisations[0])

    def score(self, item: MultipleChoice, answers: Sequence[Answer]) -> Sequence[Sample]:
        scores: dict[str, float | None] = {}
        chosen: list[str] = []
        for how in self._normalisations:
            found = option_scores(item.options, answers, how)
            if isinstance(found, Failure):
                error, key = found.error_class, answers[0].key
                return [Sample(item.id, item.question, None, {}, cache_key=key, error_class=error)]
            scores |= _item_scores(found, item.answer, how)
            chosen.append(item.options[best(found)])
        return [Sample(item.id, item.question, chosen[0], scores=scores, cache_key=answers[0].key)]

    def measures(self, samples: Sequence[Scored]) -> list[Measure]:
        return [each for how in self._normalisations for each in _measures(samples, how)]

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))


def _item_scores(scores: Sequence[float], answer: int, how: str) -> dict[str, float | None]:
    belief = softmax(scores)
    choice = best(scores)
    hits = (float(place == answer) for place in range(len(belief)))
    return {
        f"choice_{how}": float(choice),
        f"correct_{how}": float(choice == answer),
        f"confidence_{how}": belief[choice],
        f"brier_{how}": sum((share - hit) ** 2 for share, hit in zip(belief, hits, strict=True)),
        f"belief_in_answer_{how}": belief[answer],
    }


def _measures(samples: Sequence[Scored], how: str) -> list[Measure]:
    def mean(name: str, score: str, bounds: Bounds) -> Measure:
        units = [sample.sample_id for sample in samples]
        values = [each.scores.get(f"{score}_{how}") for each in samples]
        return Mean(f"{name}_{how}", units, values, bounds=bounds, unit=QUESTIONS)

    scored = [
        (sample.sample_id, (confidence, correct))
        for sample in samples
        if (confidence := sample.scores.get(f"confidence_{how}")) is not None
        and (correct := sample.scores.get(f"correct_{how}")) is not None
    ]
    pairs = [pair for _, pair in scored]
    note = _FEW if len(pairs) < MINIMUM_ITEMS else None
    errors: list[tuple[str, Callable[[Values], Bins], bool]] = [
        ("ece_1_bin", partial(equal_width_bins, bins=1), False),
        (f"ece_{BINS}_bins", partial(equal_mass_bins, bins=BINS), False),
        (f"ece_{BINS}_bins_debiased", partial(equal_mass_bins, bins=BINS), True),
        (f"ece_{BINS}_bins_equal_width", partial(equal_width_bins, bins=BINS), False),
    ]
    return [
        mean("accuracy", "correct", SHARE),
        mean("confidence", "confidence", SHARE),
        *(
            CalibrationError(
                f"{name}_{how}",
                [unit for unit, _ in scored],
                pairs,
                binning,
                n_total=len(samples),
                debiased=debiased,
                note=note,
            )
            for name, binning, debiased in errors
        ),
        mean("brier_score", "brier", (0.0, 2.0)),
        *_reliability_points(pairs, how),
    ]


def _reliability_points(pairs: Sequence[tuple[float, float]], how: str) -> list[Measure]:
    """Mean confidence and accuracy of each equal-mass bin, from the least confident."""
    import numpy as np

    if not pairs:
        return []
    bins = equal_mass_bins(np.asarray([confidence for confidence, _ in pairs]), BINS)
    points: list[Measure] = []
    for place in sorted(set(bins.tolist())):
        members = [pair for pair, bin_ in zip(pairs, bins, strict=True) if bin_ == place]
        group = f"bin {place + 1:02}"
        believed, right = zip(*members, strict=True)
        for name, values in (("bin_confidence", believed), ("bin_accuracy", right)):
            metric = mean_metric(f"{name}_{how}", values, group=group, bounds=SHARE, unit=QUESTIONS)
            points.append(Single(metric, _OTHER_ITEMS))
    return points
