"""How much the completions of one prompt differ from each other, when several are sampled.

By default the full distribution is sampled (temperature 1, top-p 1), so that the diversity is that
of the model, not of a decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.datasets import DataOptions, Dataset, Prompt, load_prompts
from llmprof.metrics.intervals import SHARE
from llmprof.metrics.measures import Mean, Measure, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.metrics.text import ENGLISH
from llmprof.profilers.diversity_measures import (
    SCALES,
    SELF_BLEU,
    diversity_measures,
    diversity_scores,
    embedding_score,
)
from llmprof.profilers.presentation import DistributionChart, Presentation, SampleView
from llmprof.profilers.prompt_formats import Questions
from llmprof.profilers.protocol import NO_FACTS, ModelFacts, ProfilerOptions
from llmprof.profilers.toxicity_measures import PROMPTS, by_prompt
from llmprof.requests import Answer, Embed, Generate, Request, RequestType
from llmprof.responses import Completion, Embedding, Failure

TEMPERATURE = 1.0
TOP_P = 1.0
_DEFAULTS = ProfilerOptions()

_PRESENTATION = Presentation(
    title="Diversity",
    about="how much several completions of one prompt differ from each other",
    scales=SCALES,
    words={"bleu": "BLEU"},
    highlights=("compression_ratio",),
    charts=[
        DistributionChart(
            "Likeness of completions", SELF_BLEU, "BLEU with the others of the prompt", bounds=SHARE
        ),
        DistributionChart("Distinct pairs of words", "distinct_2", "share, per prompt"),
    ],
    samples=SampleView(
        response="Completion",
        rank=lambda scores: scores.get(SELF_BLEU),
        order="the completion most similar to the others first",
    ),
)


class SampleDiversity:
    """Means over prompts of distinct-n, self-BLEU, compression ratio and embedding distance.

    Embeddings are the model's own; a model that has none lacks that metric. Blank completions
    count as `empty_completions` and nowhere else.
    """

    name = "diversity"
    reads = frozenset(
        {"completions", "language", "layer", "pooling", "temperature", "text_dataset", "top_p"}
    )
    settings = frozenset({"max_new_tokens", "prompt_format", "seed", "system_prompt"})
    presentation = _PRESENTATION
    follow_up_kind: RequestType = Embed

    def __init__(self, options: ProfilerOptions, facts: ModelFacts = NO_FACTS) -> None:
        self._options = options
        self._facts = facts
        self._questions = Questions(options, facts, TEMPERATURE, TOP_P)

    def for_model(self, facts: ModelFacts) -> SampleDiversity:
        return SampleDiversity(self._options, facts)

    @property
    def version(self) -> str:
        options, language = self._options, self._options.language
        # Version 2 keeps vowel signs and accents in their words, of which English has hardly any.
        written = "-1" if language == ENGLISH else f"-in-{language}-2"
        pooled = options.pooling, options.layer
        plain = pooled == (_DEFAULTS.pooling, _DEFAULTS.layer)
        embedded = "" if plain else "-embedded-by-{}-of-layer-{}".format(*pooled)
        return self._questions.version(
            f"{options.completions}-{self._questions.drawing}{written}{embedded}"
        )

    @property
    def needs(self) -> frozenset[RequestType]:
        return frozenset({Generate, Embed}) if self._embeds else frozenset({Generate})

    @property
    def _embeds(self) -> bool:
        return Embed in self._facts.capabilities

    def load(self, options: DataOptions) -> Sequence[Dataset[Prompt]]:
        return [load_prompts(self._options.text_dataset, options, self._options.language)]

    def requests(self, item: Prompt) -> Sequence[Request]:
        return self._questions.requests(item.text, self._options.completions)

    def follow_up(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Request]:
        if not self._embeds:
            return []
        texts = [_text(answer) for answer in answers]
        return [
            Embed(text, self._options.pooling, self._options.layer)
            for text in texts
            if text and text.strip()
        ]

    def score(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        written = answers[: self._options.completions]
        texts = [_text(answer) for answer in written]
        scores = diversity_scores(texts)
        vectors = [
            answer.outcome.vector
            for answer in answers[self._options.completions :]
            if isinstance(answer.outcome, Embedding)
        ]
        scores[0].update(embedding_score(vectors, self._facts.model))
        return [
            Sample(
                sample_id=item.id,
                sample_index=index,
                prompt=item.text,
                response=text,
                scores=own,
                cache_key=answer.key,
                error_class=(
                    answer.outcome.error_class if isinstance(answer.outcome, Failure) else None
                ),
            )
            for index, (answer, text, own) in enumerate(zip(written, texts, scores, strict=True))
        ]

    def measures(self, samples: Sequence[Scored]) -> Iterator[Measure]:
        yield from diversity_measures(samples)
        prompts = by_prompt(samples)
        empty = [
            [float(one.empty) for one in each if one.empty is not None] for each in prompts.values()
        ]
        shares = [sum(each) / len(each) if each else None for each in empty]
        yield Mean("empty_completions", list(prompts), shares, bounds=SHARE, unit=PROMPTS)

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))


def _text(answer: Answer) -> str | None:
    return answer.outcome.text if isinstance(answer.outcome, Completion) else None
