"""How a model's completions change if the group in a prompt is exchanged.

Counterfactual prompts as in Huang et al. 2020 (arXiv 1911.03064) and LangFair (Bouchard et al.
2024, arXiv 2407.10853): only the words for the group differ, so that completions differ by group
and by chance. k completions per version separate the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice

from llmprof.datasets import DataOptions, Dataset
from llmprof.datasets.counterfactual import CounterfactualPrompt, load_counterfactual
from llmprof.datasets.group_words import GROUP_WORDS
from llmprof.metrics.intervals import Bounds, mean_value
from llmprof.metrics.measures import Mean, Measure, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.metrics.text import BOUNDS, chosen_names, version_of
from llmprof.profilers.cooccurrence import cooccurrence_measures, cooccurrences
from llmprof.profilers.presentation import GroupChart, Presentation, SampleView, Scale
from llmprof.profilers.prompt_formats import Questions
from llmprof.profilers.protocol import NO_FACTS, ModelFacts, ProfilerOptions, ScorerFacts
from llmprof.profilers.toxicity import opinions, toxicity_requests
from llmprof.profilers.toxicity_measures import ATTRIBUTES as TOXICITY_ATTRIBUTES
from llmprof.requests import Answer, DescribeText, Generate, Request, RequestType, Toxicity
from llmprof.responses import Completion, Failure, TextScores

TEMPERATURE = 1.0
TOP_P = 1.0
TOXICITY = TOXICITY_ATTRIBUTES[0]
# The default text metrics.
TEXT_METRICS = ("n_tokens", "sentence_length_mean", "mtld", "flesch_reading_ease", "style_hedges")

_EQUAL = "no difference between groups"
_PRESENTATION = Presentation(
    title="Counterfactual prompts",
    about="how completions change when the group in a prompt is exchanged for another",
    scales={
        "toxicity_difference": Scale(-1, 1, 0, _EQUAL),
        "cooccurrence_bias": Scale(0, float("inf"), 0, "Bordia and Bowman 2019, arXiv 1904.03035"),
    },
    charts=[
        GroupChart("Difference in toxicity between groups", "toxicity_difference"),
        GroupChart("Difference in length between groups", "n_tokens_difference"),
    ],
    samples=SampleView(
        response="Completion",
        rank=lambda scores: scores.get(TOXICITY),
        order="most toxic first",
    ),
)


class Counterfactual:
    """Paired differences in toxicity, length and style between the versions of each prompt.

    There are k samples per version. A blank completion has no toxicity.
    """

    name = "counterfactual"
    reads = frozenset({"completions", "counterfactual_prompts", "metrics", "temperature", "top_p"})
    settings = frozenset({"max_new_tokens", "prompt_format", "seed", "system_prompt"})
    presentation = _PRESENTATION
    needs: frozenset[RequestType] = frozenset({Generate, Toxicity, DescribeText})
    follow_up_kind: RequestType = Toxicity
    own_items = True

    def __init__(self, options: ProfilerOptions, facts: ModelFacts = NO_FACTS) -> None:
        self._options = options
        self._facts = facts
        self._questions = Questions(options, facts, TEMPERATURE, TOP_P)
        self._metrics = chosen_names(options.metrics) if options.metrics else TEXT_METRICS
        self._scorers = facts.scorers or (
            ScorerFacts(facts.scorer or "unknown", facts.scorer_model),
        )

    def for_model(self, facts: ModelFacts) -> Counterfactual:
        return Counterfactual(self._options, facts)

    @property
    def version(self) -> str:
        by = "+".join(f"{each.name}({each.model})" for each in self._scorers)
        drawn = f"{self._options.completions}-{self._questions.drawing}"
        return self._questions.version(f"{drawn}-by-{by}-{version_of(self._metrics)}")

    def load(self, options: DataOptions) -> Sequence[Dataset[CounterfactualPrompt]]:
        return [load_counterfactual(options, self._options.counterfactual_prompts)]

    def requests(self, item: CounterfactualPrompt) -> Sequence[Request]:
        return [
            request
            for _, text in item.versions
            for request in self._questions.requests(text, self._options.completions)
        ]

    def follow_up(self, item: CounterfactualPrompt, answers: Sequence[Answer]) -> Sequence[Request]:
        return [request for answer in answers for request in self._about(answer)]

    def _about(self, answer: Answer) -> list[Request]:
        """What is asked about one completion."""
        if not isinstance(answer.outcome, Completion):
            return []
        text = answer.outcome.text
        scored = toxicity_requests(text, self._facts.scorers) if text.strip() else []
        return [*scored, DescribeText(text, self._metrics)]

    def score(self, item: CounterfactualPrompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        each = self._options.completions
        written = answers[: each * len(item.versions)]
        about = iter(answers[len(written) :])
        samples = []
        for place, answer in enumerate(written):
            group, prompt = item.versions[place // each]
            asked = self._about(answer)
            scores, reason = self._scores(list(islice(about, len(asked))))
            completion = answer.outcome if isinstance(answer.outcome, Completion) else None
            failed = answer.outcome if isinstance(answer.outcome, Failure) else None
            near = cooccurrences(completion.text) if completion is not None else {}
            samples.append(
                Sample(
                    sample_id=item.id,
                    sample_index=place,
                    prompt=prompt,
                    response=None if completion is None else completion.text,
                    scores={**scores, **(near if item.attribute == "gender" else {})},
                    group=f"{item.attribute}: {group}",
                    cache_key=answer.key,
                    error_class=failed.error_class if failed is not None else reason,
                )
            )
        return samples

    def _scores(self, answers: Sequence[Answer]) -> tuple[Mapping[str, float | None], str | None]:
        """Toxicity and text metrics of a completion, and the reason if any is missing."""
        if not answers:
            return {}, None
        *scored, described = answers
        toxicity, reason = opinions(scored, self._facts.scorers)
        outcome = described.outcome
        if isinstance(outcome, TextScores):
            return {**outcome.scores, **toxicity}, reason or outcome.refusal
        failed = outcome.error_class if isinstance(outcome, Failure) else "UnexpectedResponse"
        return toxicity, reason or failed

    def measures(self, samples: Sequence[Scored]) -> Iterator[Measure]:
        found = _by_group(samples)
        scorer = next((each for each in self._scorers if not each.categories), self._scorers[0])
        toxic = f"toxicity_difference:{scorer.name}"
        yield from _means(found, TOXICITY, f"mean_toxicity:{scorer.name}", (0.0, 1.0))
        yield from _means(found, "n_tokens", "n_tokens", BOUNDS["n_tokens"])
        yield from _differences(found, TOXICITY, toxic, (-1.0, 1.0))
        for name in self._metrics:
            yield from _differences(found, name, f"{name}_difference", _differing(name))
        of_gender = [each for each in samples if each.group.startswith("gender")]
        if of_gender:
            yield from cooccurrence_measures(of_gender)

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))


# Of each group, `gender: female`, the samples of each item.
_Found = Mapping[str, Mapping[str, Sequence[Scored]]]


def _by_group(samples: Sequence[Scored]) -> _Found:
    found: dict[str, dict[str, list[Scored]]] = {}
    for sample in samples:
        found.setdefault(sample.group, {}).setdefault(sample.sample_id, []).append(sample)
    return found


def _of_items(items: Mapping[str, Sequence[Scored]], name: str) -> dict[str, float | None]:
    """The mean over the completions of each item, as far as they have such a score."""
    means: dict[str, float | None] = {}
    for item, samples in items.items():
        values = [each.scores.get(name) for each in samples]
        defined = [value for value in values if value is not None]
        means[item] = mean_value(defined) if defined else None
    return means


def _means(found: _Found, score: str, name: str, bounds: Bounds | None) -> Iterator[Measure]:
    """The mean of each group."""
    for group, items in found.items():
        values = _of_items(items, score)
        yield Mean(name, list(values), list(values.values()), group, bounds=bounds, unit="prompts")


def _differing(name: str) -> Bounds | None:
    """The bounds of a difference of two values of a text metric."""
    if name not in BOUNDS:
        return None
    low, high = BOUNDS[name]
    return low - high, high - low


def _differences(found: _Found, score: str, name: str, bounds: Bounds | None) -> Iterator[Measure]:
    """The mean difference of each two groups of an attribute, over the items that have both."""
    for attribute, groups in GROUP_WORDS.items():
        for first, second in combinations(groups, 2):
            pair = [found.get(f"{attribute}: {group}") for group in (first, second)]
            if pair[0] is None or pair[1] is None:
                continue
            before, after = (_of_items(items, score) for items in (pair[0], pair[1]))
            values = [_less(after.get(item), value) for item, value in before.items()]
            group = f"{second} - {first}"
            yield Mean(name, list(before), values, group, bounds=bounds, unit="prompts")


def _less(value: float | None, other: float | None) -> float | None:
    return None if value is None or other is None else value - other
