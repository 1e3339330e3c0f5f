"""Toxicity of texts that exist already: one score an attribute of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.datasets import DataOptions, Dataset, Prompt
from llmprof.metrics.measures import Measure, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.profilers.toxicity import opinion
from llmprof.profilers.toxicity_measures import ATTRIBUTES, text_measures
from llmprof.requests import Answer, Request, RequestType, Toxicity


class TextToxicity:
    """Mean toxicity and share of toxic texts; the texts are loaded by who makes it.

    An empty text is not scored and has no toxicity.
    """

    name = "score"
    settings: frozenset[str] = frozenset()
    needs: frozenset[RequestType] = frozenset({Toxicity})

    def __init__(self, scorer: str, scorer_model: str) -> None:
        self._scorer = scorer
        self.version = f"texts-by-{scorer}({scorer_model})-1"

    def load(self, options: DataOptions) -> Sequence[Dataset[Prompt]]:
        del options
        return []

    def requests(self, item: Prompt) -> Sequence[Request]:
        return [Toxicity(item.text, ATTRIBUTES)] if item.text.strip() else []

    def score(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        answer = answers[0] if answers else None
        scores, error_class = opinion(answer)
        return [
            Sample(
                sample_id=item.id,
                prompt="",
                response=item.text,
                scores=scores,
                cache_key=answer.key if answer else None,
                error_class=error_class,
            )
        ]

    def measures(self, samples: Sequence[Scored]) -> Iterator[Measure]:
        return text_measures(samples, self._scorer)

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))
