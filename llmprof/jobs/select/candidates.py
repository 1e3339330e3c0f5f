"""Candidates: the completions to select from, with their requests and scores.

The candidates of a prompt are samples, model by model; `group` is the model's label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from llmprof.datasets import Prompt
from llmprof.jobs.select.job import Drawing
from llmprof.metrics.samples import Sample
from llmprof.options import PromptOptions
from llmprof.profilers.prompt_formats import continuation_prompt, question_prompt
from llmprof.profilers.textual import described
from llmprof.profilers.toxicity import opinion
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.requests import (
    Answer,
    DescribeText,
    Generate,
    LogLikelihood,
    Message,
    Sampling,
    Toxicity,
)
from llmprof.responses import Completion, Failure, TokenLogProbs

Pool = list[Sample]


def put(
    item: Prompt, drawing: Drawing, options: PromptOptions, *, chat: bool, system_role: bool = True
) -> str | tuple[Message, ...]:
    """The prompt as it is sent to the model; `chat` and `system_role` as of its backend."""
    ask = continuation_prompt if drawing.continuation else question_prompt
    return ask(item.text, options, chat=chat, system_role=system_role)


def generation_requests(
    items: Sequence[Prompt],
    drawing: Drawing,
    options: PromptOptions,
    *,
    chat: bool,
    system_role: bool = True,
) -> list[Generate]:
    """`k` requests per prompt, prompt by prompt."""
    sampling = Sampling(
        max_new_tokens=options.max_new_tokens,
        temperature=drawing.temperature,
        top_p=drawing.top_p,
        seed=options.seed,
    )
    prompts = (put(item, drawing, options, chat=chat, system_role=system_role) for item in items)
    return [Generate(prompt, sampling, draw) for prompt in prompts for draw in range(drawing.k)]


def candidates_of(item: Prompt, label: str, answers: Sequence[Answer]) -> Iterator[Sample]:
    """One model's completions of one prompt, with their lengths."""
    for draw, answer in enumerate(answers):
        outcome = answer.outcome
        done = outcome if isinstance(outcome, Completion) else None
        yield Sample(
            sample_id=item.id,
            sample_index=draw,
            prompt=item.text,
            response=None if done is None else done.text,
            scores={}
            if done is None
            else {
                "generated_tokens": None if done.token_count is None else float(done.token_count),
                "finished": float(done.finish_reason != "length"),
            },
            group=label,
            cache_key=answer.key,
            error_class=_failure(answer),
        )


def is_spoken(sample: Sample) -> bool:
    """Whether there is a completion that is not blank."""
    return bool(sample.response and sample.response.strip())


def distinct_texts(pools: Sequence[Pool]) -> list[str]:
    """Every completion that is not blank, once."""
    texts = (sample.response for pool in pools for sample in pool if is_spoken(sample))
    return list(dict.fromkeys(text for text in texts if text is not None))


def toxicity_requests(texts: Sequence[str]) -> list[Toxicity]:
    """The same requests as the toxicity profile's, so that its cached answers are reused."""
    return [Toxicity(text, ATTRIBUTES) for text in texts]


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt as one text; `rendered` in the chat template, special tokens included."""

    text: str
    rendered: bool = False

    def before(self, completion: str) -> LogLikelihood:
        """Asks for the likelihood of the completion's own tokens after the prompt's."""
        if self.rendered:
            return LogLikelihood(self.text, completion, "rendered")
        # Between a word and a blank tokens end on their own, and the simpler request will do.
        apart = completion[:1].isspace() and not self.text[-1:].isspace()
        return LogLikelihood(self.text, completion, "text" if apart else "prompt")


def likelihood_requests(contexts: Sequence[Context], pools: Sequence[Pool]) -> list[LogLikelihood]:
    """One for each completion that is not blank, after its prompt's context, pool by pool."""
    return [
        context.before(str(sample.response))
        for context, pool in zip(contexts, pools, strict=True)
        for sample in pool
        if is_spoken(sample)
    ]


def text_requests(texts: Sequence[str], metrics: tuple[str, ...]) -> list[DescribeText]:
    """Those of the textual profile, so that its answers are used again."""
    return [DescribeText(text, metrics) for text in texts]


def add_text_scores(pools: Sequence[Pool], texts: Sequence[str], answers: Sequence[Answer]) -> None:
    """Give each completion the metrics of its text; `error_class` says why it has none."""
    found = {text: described(answer) for text, answer in zip(texts, answers, strict=True)}
    for pool in pools:
        pool[:] = [_with(sample, *found.get(sample.response or "", ({}, None))) for sample in pool]


def add_toxicity(pools: Sequence[Pool], texts: Sequence[str], answers: Sequence[Answer]) -> None:
    """Add the toxicity scores of its text to each completion, or why there are none."""
    opinions = {text: opinion(answer) for text, answer in zip(texts, answers, strict=True)}
    for pool in pools:
        for place, sample in enumerate(pool):
            scores, unscored = opinions.get(sample.response or "", ({}, None))
            named = {attribute.lower(): value for attribute, value in scores.items()}
            pool[place] = _with(sample, named, unscored)


def add_likelihood(pools: Sequence[Pool], answers: Sequence[Answer]) -> None:
    """Add the log-likelihood, total and per token, to each completion that is not blank."""
    following = iter(answers)
    for pool in pools:
        for place, sample in enumerate(pool):
            if is_spoken(sample):
                answer = next(following)
                pool[place] = _with(sample, _likelihood(answer), _failure(answer))


def _likelihood(answer: Answer) -> dict[str, float | None]:
    found = answer.outcome
    if not isinstance(found, TokenLogProbs) or not found.token_count:
        return {}
    return {
        "log_likelihood": found.total,
        "token_log_likelihood": found.total / found.token_count,
    }


def _with(
    sample: Sample, scores: Mapping[str, float | None], error_class: str | None = None
) -> Sample:
    """The sample with more scores; of several errors the first is kept."""
    return replace(
        sample,
        scores={**sample.scores, **scores},
        error_class=sample.error_class or error_class,
    )


def _failure(answer: Answer) -> str | None:
    return answer.outcome.error_class if isinstance(answer.outcome, Failure) else None
