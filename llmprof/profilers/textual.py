"""Textual characteristics of a model's completions, as in "LLM See, LLM Do" (arXiv 2407.01490).

One completion per prompt, described by the metrics of TextDescriptives (Hansen et al. 2023, arXiv
2301.02057) and by MTLD (McCarthy and Jarvis 2010).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from llmprof.datasets import DataOptions, Dataset, Prompt, load_prompts
from llmprof.metrics.measures import Mean, Measure, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.metrics.text import BOUNDS, ENGLISH, NAMES, chosen_names, in_order
from llmprof.profilers.presentation import DistributionChart, Presentation, SampleView
from llmprof.profilers.prompt_formats import Questions
from llmprof.profilers.protocol import (
    NO_FACTS,
    CompletionScores,
    ModelFacts,
    ProfilerOptions,
)
from llmprof.requests import Answer, DescribeText, Generate, Request, RequestType
from llmprof.responses import Completion, Failure, TextScores

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


def described(answer: Answer) -> tuple[Mapping[str, float | None], str | None]:
    """A text's metrics, and the reason if there are none."""
    outcome = answer.outcome
    if isinstance(outcome, TextScores):
        return outcome.scores, outcome.refusal
    return {}, outcome.error_class if isinstance(outcome, Failure) else "UnexpectedResponse"


class Textual:
    """Means of textual metrics over one completion per prompt, a greedy one by default.

    The metrics are those that the options name, or all.

    Raises:
        UnknownNameError: the options name a metric that does not exist.
    """

    name = "textual"
    reads = frozenset(
        {"language", "metrics", "spacy_model", "temperature", "text_dataset", "top_p"}
    )
    settings = frozenset({"max_new_tokens", "prompt_format", "system_prompt"})
    presentation = _PRESENTATION
    needs: frozenset[RequestType] = frozenset({Generate, DescribeText})
    follow_up_kind: RequestType = DescribeText
    completion_scores = CompletionScores(
        DescribeText, tuple(NAMES), BOUNDS, described, DescribeText
    )

    def __init__(self, options: ProfilerOptions, facts: ModelFacts = NO_FACTS) -> None:
        self._options = options
        self._metrics = chosen_names(options.metrics, options.language)
        self._questions = Questions(options, facts)

    def for_model(self, facts: ModelFacts) -> Textual:
        return Textual(self._options, facts)

    @property
    def version(self) -> str:
        language, pipeline = self._options.language, self._options.spacy_model
        written = "" if language == ENGLISH else f"-in-{language}"
        by = f"-by-{pipeline}" if pipeline else ""
        # Version 2: MTLD is undefined for a text without a repeated word. 3: markup is what a
        # parser finds, emoji are Unicode's, and names are no persons.
        return self._questions.version(f"{self._questions.drawing}{written}-3{by}")

    def load(self, options: DataOptions) -> Sequence[Dataset[Prompt]]:
        return [load_prompts(self._options.text_dataset, options, self._options.language)]

    def requests(self, item: Prompt) -> Sequence[Request]:
        return self._questions.requests(item.text)

    def follow_up(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Request]:
        (answer,) = answers
        if not isinstance(answer.outcome, Completion):
            return []
        return [DescribeText(answer.outcome.text, self._metrics, self._options.language)]

    def score(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        answer, *about = answers
        text = answer.outcome.text if isinstance(answer.outcome, Completion) else None
        scores, error_class = described(about[0] if about else answer)
        return [
            Sample(
                sample_id=item.id,
                prompt=item.text,
                response=text,
                scores=scores,
                cache_key=answer.key,
                error_class=error_class,
            )
        ]

    def measures(self, samples: Sequence[Scored]) -> Iterator[Measure]:
        names = {name for sample in samples for name in sample.scores}
        units = [sample.sample_id for sample in samples]
        for name in in_order(names):
            values = [each.scores.get(name) for each in samples]
            yield Mean(name, units, values, bounds=BOUNDS.get(name), unit="prompts")

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))
