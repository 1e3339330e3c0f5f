"""Textual characteristics of a model's completions, as in "LLM See, LLM Do" (arXiv 2407.01490).

One completion a prompt, described by TextDescriptives (Hansen et al. 2023, arXiv 2301.02057) and
MTLD (McCarthy and Jarvis 2010) from lexicalrichness.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.datasets import DataOptions, Dataset, Prompt, load_prompts
from llmprof.metrics.measures import Mean, Measure, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.profilers import text_metrics
from llmprof.profilers.presentation import DistributionChart, Presentation, SampleView
from llmprof.profilers.prompt_formats import question_prompt
from llmprof.profilers.protocol import ProfilerOptions
from llmprof.requests import Answer, Completion, Failure, Generate, Request, RequestType, Sampling

_PRESENTATION = Presentation(
    title="Textual characteristics",
    about="length, readability, diversity and syntax of completions, as means over prompts",
    topic="Length and readability",
    words={"mtld": "MTLD"},
    # More than 50 metrics describe a text, and many say nearly the same.
    highlights=(
        "n_tokens",
        "n_sentences",
        "sentence_length_mean",
        "token_length_mean",
        "proportion_unique_tokens",
        "mtld",
        "flesch_reading_ease",
        "flesch_kincaid_grade",
        "gunning_fog",
        "entropy",
        "perplexity",
        "dependency_distance_mean",
        "first_order_coherence",
        "duplicate_ngram_chr_fraction_5",
        "passed_quality_check",
    ),
    charts=[
        DistributionChart("Length of completions", "n_tokens", "tokens, without punctuation"),
        DistributionChart(
            "Length of sentences", "sentence_length_mean", "mean number of tokens per sentence"
        ),
        DistributionChart("Reading ease", "flesch_reading_ease", "Flesch: higher is easier"),
        DistributionChart("School grade", "flesch_kincaid_grade", "Flesch-Kincaid grade"),
        DistributionChart("Lexical diversity", "mtld", "MTLD: higher is more diverse"),
        DistributionChart("Syntax", "dependency_distance_mean", "mean dependency distance"),
    ],
    samples=SampleView(response="Completion"),
)


class Textual:
    """Means of every textual metric over one greedy completion a prompt."""

    name = "textual"
    settings = frozenset({"max_new_tokens", "prompt_format", "system_prompt"})
    presentation = _PRESENTATION
    version = "greedy-1"
    needs: frozenset[RequestType] = frozenset({Generate})

    def __init__(self, options: ProfilerOptions) -> None:
        self._options = options

    def load(self, options: DataOptions) -> Sequence[Dataset[Prompt]]:
        return [load_prompts(self._options.text_dataset, options)]

    def requests(self, item: Prompt) -> Sequence[Request]:
        sampling = Sampling(max_new_tokens=self._options.max_new_tokens, seed=self._options.seed)
        return [Generate(question_prompt(item.text, self._options), sampling)]

    def score(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        (answer,) = answers
        outcome = answer.outcome
        if not isinstance(outcome, Completion):
            error = outcome.error_class if isinstance(outcome, Failure) else "UnexpectedResponse"
            return [Sample(item.id, item.text, None, {}, error_class=error, cache_key=answer.key)]
        too_long = len(outcome.text) > text_metrics.LONGEST_TEXT
        return [
            Sample(
                sample_id=item.id,
                prompt=item.text,
                response=outcome.text,
                scores={} if too_long else text_metrics.describe(outcome.text),
                cache_key=answer.key,
                error_class="TextTooLong" if too_long else None,
            )
        ]

    def measures(self, samples: Sequence[Scored]) -> Iterator[Measure]:
        names = {name for sample in samples for name in sample.scores}
        units = [sample.sample_id for sample in samples]
        for name in text_metrics.in_order(names):
            yield Mean(name, units, [each.scores.get(name) for each in samples])

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))
