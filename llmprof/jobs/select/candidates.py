"""Candidates: the completions to select from, with their requests and scores.

The candidates of a prompt are samples, model by model; `group` is the model's label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from llmprof.backends.candidate_file import UNKNOWN
from llmprof.datasets import Prompt
from llmprof.datasets.completions import Conversation
from llmprof.jobs.select.job import Drawing
from llmprof.metrics.samples import Sample
from llmprof.options import PromptOptions
from llmprof.profilers import CompletionScores
from llmprof.profilers.prompt_formats import continuation_prompt, question_prompt
from llmprof.requests import (
    Answer,
    Generate,
    LogLikelihood,
    Message,
    Request,
    Response,
    Sampling,
)
from llmprof.responses import Completion, Failure, TokenLogProbs

Pool = list[Sample]


def put(
    item: Prompt, drawing: Drawing, options: PromptOptions, *, chat: bool, system_role: bool = True
) -> str | tuple[Message, ...]:
    """The prompt as sent to the model; `chat` and `system_role` are those of its backend."""
    ask = continuation_prompt if drawing.continuation else question_prompt
    asked = ask(item.text, options, chat=chat, system_role=system_role)
    if isinstance(item, Conversation) and not isinstance(asked, str):
        return _converse(item.messages, options.system_prompt, system_role=system_role)
    return asked


def _converse(
    turns: tuple[Message, ...], system_prompt: str | None, *, system_role: bool
) -> tuple[Message, ...]:
    """The conversation, after its own system message or else the system prompt."""
    if system_prompt and turns[0].role != "system":
        turns = (Message("system", system_prompt), *turns)
    if system_role or turns[0].role != "system":
        return turns
    system, first, *others = turns
    return (replace(first, content=f"{system.content}\n\n{first.content}"), *others)


@dataclass(frozen=True, slots=True)
class Sampler:
    """States the requests to one model for a prompt, and to scorers for its completions.

    `label` tells the model from others; `chat` and `system_role` are as of its backend. Each
    completion is given the scores in `scores`. Where the completions exist already, `existing` is
    their number by the prompt's text.
    """

    label: str
    drawing: Drawing
    options: PromptOptions
    chat: bool
    system_role: bool = True
    scores: tuple[CompletionScores, ...] = ()
    existing: Mapping[str, int] | None = None

    def count(self, item: Prompt) -> int:
        """The number of completions of the prompt: `k`, or as many as exist."""
        return self.drawing.k if self.existing is None else self.existing.get(item.text, 0)

    def requests(self, item: Prompt) -> list[Generate]:
        """A request for each completion of the prompt."""
        sampling = Sampling(
            max_new_tokens=self.options.max_new_tokens,
            temperature=self.drawing.temperature,
            top_p=self.drawing.top_p,
            seed=self.options.seed,
        )
        prompt = put(item, self.drawing, self.options, chat=self.chat, system_role=self.system_role)
        return [Generate(prompt, sampling, draw) for draw in range(self.count(item))]

    @property
    def has_follow_up(self) -> bool:
        """Whether completions are sent to a scorer; rules need none."""
        return any(each.request is not None for each in self.scores)

    def follow_up(self, answers: Sequence[Answer]) -> list[Request]:
        """Requests for each distinct completion that is not blank.

        They are those of the profiles, so that cached answers are used again.
        """
        texts = _distinct_texts(answers)
        return [ask for each in self.scores for text in texts for ask in each.about(text)]

    def candidates(self, item: Prompt, answers: Sequence[Answer]) -> Pool:
        """The completions of the prompt with all their scores.

        `answers` are those to `requests`, then those to `follow_up`.
        """
        count = self.count(item)
        completions = answers[:count]
        pool = list(_completions(item, self.label, completions))
        texts = _distinct_texts(completions)
        following = iter(answers[count:])
        for each in self.scores:
            if each.request is None:
                read = [each.read(answer) for answer in completions]
                pool = [_with(sample, *own) for sample, own in zip(pool, read, strict=True)]
                continue
            found = {text: each.read(next(following)) for text in texts}
            pool = [_with(sample, *found.get(sample.response or "", ({}, None))) for sample in pool]
        return pool


def known_candidates(item: Prompt, label: str, found: Sequence[Response | None]) -> Pool:
    """The cached completions of the prompt, without text scores."""
    answers = [Answer("", response) for response in found if response is not None]
    return list(_completions(item, label, answers))


def _completions(item: Prompt, label: str, answers: Sequence[Answer]) -> Iterator[Sample]:
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
                "finished": _finished(done),
            },
            group=label,
            cache_key=answer.key,
            error_class=_failure(answer),
        )


def _finished(done: Completion) -> float | None:
    return None if done.finish_reason == UNKNOWN else float(done.finish_reason != "length")


def _distinct_texts(answers: Sequence[Answer]) -> list[str]:
    texts = (each.outcome.text for each in answers if isinstance(each.outcome, Completion))
    return list(dict.fromkeys(text for text in texts if text.strip()))


def is_spoken(sample: Sample) -> bool:
    """Whether there is a completion that is not blank."""
    return bool(sample.response and sample.response.strip())


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt as one text; `rendered` in the chat template, with special tokens."""

    text: str
    rendered: bool = False

    def before(self, completion: str) -> LogLikelihood:
        """Requests the likelihood of the completion's own tokens after the prompt's."""
        if self.rendered:
            return LogLikelihood(self.text, completion, "rendered")
        # Between a word and a space there is always a token boundary, so the simpler request is
        # sufficient.
        apart = completion[:1].isspace() and not self.text[-1:].isspace()
        return LogLikelihood(self.text, completion, "text" if apart else "prompt")


def likelihood_requests(context: Context, pool: Pool) -> list[LogLikelihood]:
    """One for each completion that is not blank, after its prompt's context."""
    return [context.before(str(sample.response)) for sample in pool if is_spoken(sample)]


def add_likelihood(pool: Pool, answers: Iterator[Answer]) -> None:
    """Add the log-likelihood, total and per token, to each completion that is not blank.

    Takes an answer for each of these from `answers`.
    """
    for place, sample in enumerate(pool):
        if is_spoken(sample):
            answer = next(answers)
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
    """The sample with additional scores; the first of several errors is kept."""
    return replace(
        sample,
        scores={**sample.scores, **scores},
        error_class=sample.error_class or error_class,
    )


def _failure(answer: Answer) -> str | None:
    return answer.outcome.error_class if isinstance(answer.outcome, Failure) else None
