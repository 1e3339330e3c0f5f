"""Toxicity of a model's continuations, as in RealToxicityPrompts (Gehman et al. 2020).

Each prompt is continued k times by nucleus sampling, and a scorer rates every continuation without
its prompt. Expected maximum toxicity is the mean over prompts of the worst of k; toxicity
probability is the share of prompts with at least one toxic continuation (arXiv 2009.11462, section
4.2).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from llmprof.datasets import DataOptions, Dataset, Prompt, load_toxicity_prompts
from llmprof.metrics.intervals import SHARE
from llmprof.metrics.measures import Measure, metrics_of
from llmprof.metrics.samples import Metric, Sample, Scored
from llmprof.profilers.diversity_measures import SCALES as DIVERSITY_SCALES
from llmprof.profilers.diversity_measures import diversity_measures, diversity_scores
from llmprof.profilers.presentation import (
    DistributionChart,
    GroupChart,
    Presentation,
    SampleView,
    Scale,
)
from llmprof.profilers.prompt_formats import (
    continuation_prompt,
    sampling,
    sampling_version,
    version_of_prompts,
)
from llmprof.profilers.protocol import (
    NO_FACTS,
    CompletionScores,
    ModelFacts,
    ProfilerOptions,
    ScorerFacts,
)
from llmprof.profilers.scorer_measures import (
    completion_measures,
    single_text_measures,
    suffixes,
)
from llmprof.profilers.toxicity_measures import ATTRIBUTES, THRESHOLD
from llmprof.requests import Answer, Generate, Request, RequestType, Sampling, Toxicity
from llmprof.responses import Completion, Failure, ToxicityScores

TEMPERATURE = 1.0
TOP_P = 0.9


_TOPIC = "Toxicity"
_SCALE = Scale(0, 1, 0, "Gehman et al. 2020, arXiv 2009.11462")
_POLICY_SCALES = {
    name: Scale(0, 1, 0, "the scorer's policy")
    for name in (
        "expected_maximum_policy_score",
        "policy_violation_probability",
        "mean_policy_score",
        "policy_violations",
    )
}
_DISTRIBUTION = DistributionChart(
    "All completions",
    ATTRIBUTES[0],
    f"{ATTRIBUTES[0]} (from {THRESHOLD}: counts as toxic)",
    bounds=(0.0, 1.0),
    reference=THRESHOLD,
)
_SAMPLES = SampleView(
    "Prompt", "Completion", lambda scores: scores.get(ATTRIBUTES[0]), "most toxic first"
)


def _text(answer: Answer) -> str | None:
    return answer.outcome.text if isinstance(answer.outcome, Completion) else None


def _failed(answer: Answer) -> str | None:
    return answer.outcome.error_class if isinstance(answer.outcome, Failure) else None


def opinion(answer: Answer | None) -> tuple[Mapping[str, float], str | None]:
    """A scorer's scores of a text, and its refusal or failure if there are none.

    A text that was not sent to a scorer has neither.
    """
    if answer is None:
        return {}, None
    outcome = answer.outcome
    if isinstance(outcome, ToxicityScores):
        return outcome.scores, outcome.refusal
    return {}, _failed(answer) or "UnexpectedResponse"


def _named_as_metrics(answer: Answer) -> tuple[Mapping[str, float | None], str | None]:
    scores, reason = opinion(answer)
    return {attribute.lower(): value for attribute, value in scores.items()}, reason


_NAMES = tuple(attribute.lower() for attribute in ATTRIBUTES)


class ToxicityProfile:
    """Expected maximum toxicity and toxicity probability over k sampled completions per prompt.

    A blank completion counts in k but is not scored; the metric `empty_completions` counts it.
    """

    name = "toxicity"
    reads = frozenset(
        {"temperature", "top_p", "toxicity_language", "toxicity_prompts", "toxicity_samples"}
    )
    settings = frozenset({"max_new_tokens", "prompt_format", "seed", "system_prompt"})
    presentation = Presentation(
        title="Toxicity",
        about="toxicity of sampled continuations: the worst of several, and the probability of a "
        "toxic one",
        topic=_TOPIC,
        scales={
            "expected_maximum_toxicity": _SCALE,
            "toxicity_probability": _SCALE,
            "mean_toxicity": _SCALE,
            **_POLICY_SCALES,
            **DIVERSITY_SCALES,
        },
        words={"bleu": "BLEU"},
        charts=[
            replace(
                _DISTRIBUTION,
                title="Most toxic completion of each prompt",
                highest_per_item=True,
            ),
            _DISTRIBUTION,
            GroupChart("Expected maximum toxicity by attribute", "expected_maximum_toxicity"),
        ],
        samples=_SAMPLES,
    )
    needs: frozenset[RequestType] = frozenset({Generate, Toxicity})
    follow_up_kind: RequestType = Toxicity
    # All attributes are asked for at once, as the profile does: the answers are the same.
    completion_scores = CompletionScores(
        Toxicity,
        _NAMES,
        dict.fromkeys(_NAMES, SHARE),
        _named_as_metrics,
        lambda text, names: Toxicity(text, ATTRIBUTES),
    )

    def __init__(self, options: ProfilerOptions, facts: ModelFacts = NO_FACTS) -> None:
        self._options = options
        self._facts = facts

    def for_model(self, facts: ModelFacts) -> ToxicityProfile:
        return ToxicityProfile(self._options, facts)

    @property
    def version(self) -> str:
        """Everything that must agree for numbers to be comparable: k, the way of counting, the
        scorers."""
        way = "toolkit-maximum" if self._toolkit else "maximum"
        by = "+".join(f"{each.name}({each.model})" for each in self._scorers)
        sampled = sampling_version(self._sampling, TEMPERATURE, TOP_P)
        return version_of_prompts(
            f"{way}-of-{self._options.toxicity_samples}-by-{by}{sampled}-1",
            self._options,
            chat=self._facts.chat,
            system_role=self._facts.system_role,
            instructed=True,
        )

    @property
    def _sampling(self) -> Sampling:
        return sampling(self._options, TEMPERATURE, TOP_P)

    @property
    def _scorers(self) -> tuple[ScorerFacts, ...]:
        return self._facts.scorers or (
            ScorerFacts(self._facts.scorer or "unknown", self._facts.scorer_model),
        )

    @property
    def _toolkit(self) -> bool:
        return self._options.protocol == "toolkit"

    def load(self, options: DataOptions) -> Sequence[Dataset[Prompt]]:
        which, language = self._options.toxicity_prompts, self._options.toxicity_language
        return [load_toxicity_prompts(options, which, language)]

    def requests(self, item: Prompt) -> Sequence[Request]:
        prompt = continuation_prompt(
            item.text,
            self._options,
            chat=self._facts.chat,
            system_role=self._facts.system_role,
        )
        return [
            Generate(prompt, self._sampling, sample)
            for sample in range(self._options.toxicity_samples)
        ]

    def follow_up(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Request]:
        texts = (_text(answer) for answer in answers)
        return [
            request
            for text in texts
            if text and text.strip()
            for request in toxicity_requests(text, self._facts.scorers)
        ]

    def score(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        count = self._options.toxicity_samples
        scored = iter(answers[count:])
        alike = diversity_scores([_text(answer) for answer in answers[:count]])
        samples = []
        for index, answer in enumerate(answers[:count]):
            text = _text(answer)
            asked = len(self._scorers) if text and text.strip() else 0
            scores, unscored = opinions(list(islice(scored, asked)), self._facts.scorers)
            samples.append(
                Sample(
                    sample_id=item.id,
                    sample_index=index,
                    prompt=item.text,
                    response=text,
                    scores={**scores, **alike[index]},
                    cache_key=answer.key,
                    error_class=_failed(answer) or unscored,
                )
            )
        return samples

    def measures(self, samples: Sequence[Scored]) -> Iterator[Measure]:
        yield from completion_measures(samples, self._scorers, of_most_toxic=self._toolkit)
        yield from diversity_measures(samples)

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))


def toxicity_requests(text: str, scorers: Sequence[ScorerFacts]) -> list[Request]:
    """Requests to every scorer about one text; a policy scores all its own categories."""
    if not scorers:
        return [Toxicity(text, ATTRIBUTES)]
    return [Toxicity(text, () if each.categories else ATTRIBUTES, each.name) for each in scorers]


def opinions(
    answers: Sequence[Answer], scorers: Sequence[ScorerFacts]
) -> tuple[Mapping[str, float], str | None]:
    """The scores of a text by all scorers, named as `suffixes` says, and the first failure."""
    if not answers or not scorers:
        return opinion(answers[0] if answers else None)
    suffix = suffixes(scorers)
    scores: dict[str, float] = {}
    reasons: list[str] = []
    for answer, scorer in zip(answers, scorers, strict=True):
        given, reason = opinion(answer)
        scores |= {name + suffix[scorer.name]: value for name, value in given.items()}
        reasons += [reason] if reason else []
    return scores, next(iter(reasons), None)


class TextToxicity:
    """Mean toxicity and share of toxic texts, for `llmprof score`, which loads the texts itself.

    A blank text is not scored.
    """

    name = "score"
    settings: frozenset[str] = frozenset()
    presentation = Presentation(
        title="Toxicity of texts",
        about="how toxic existing texts are",
        topic=_TOPIC,
        scales={"mean_toxicity": _SCALE, "toxic_texts": _SCALE, **_POLICY_SCALES},
        charts=[
            replace(_DISTRIBUTION, title="Texts"),
            GroupChart("Mean toxicity of texts by attribute", "mean_toxicity"),
        ],
        samples=replace(_SAMPLES, response="Text"),
    )
    needs: frozenset[RequestType] = frozenset({Toxicity})

    def __init__(self, scorer: str, scorer_model: str, scorers: Sequence[ScorerFacts] = ()) -> None:
        self._scorers = tuple(scorers)
        self._all = self._scorers or (ScorerFacts(scorer, scorer_model),)
        by = "+".join(f"{each.name}({each.model})" for each in self._all)
        self.version = f"texts-by-{by}-1"

    def load(self, options: DataOptions) -> Sequence[Dataset[Prompt]]:
        del options
        return []

    def requests(self, item: Prompt) -> Sequence[Request]:
        return toxicity_requests(item.text, self._scorers) if item.text.strip() else []

    def score(self, item: Prompt, answers: Sequence[Answer]) -> Sequence[Sample]:
        answer = answers[0] if answers else None
        scores, error_class = opinions(answers, self._scorers)
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
        return single_text_measures(samples, self._all)

    def metrics(self, samples: Sequence[Scored]) -> list[Metric]:
        return metrics_of(self.measures(samples))
