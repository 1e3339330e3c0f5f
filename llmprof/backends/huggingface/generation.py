"""Generates completions in batches; the prompt of several samples is computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.batch_size import Budget
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.drafts import (
    Draft,
    StopWatch,
    WritingTask,
    end_tokens,
    outcome_of,
    without_thoughts,
)
from llmprof.backends.huggingface.foreign_code import TOO_LARGE, is_out_of_memory
from llmprof.backends.huggingface.gpu_copies import to_device
from llmprof.backends.huggingface.kv_cache import (
    BufferedSlots,
    ModelCacheSlots,
    Slots,
    rows_hold,
)
from llmprof.backends.huggingface.sampling import TokenSampler
from llmprof.backends.huggingface.tokenization import Encoder
from llmprof.errors import BackendError
from llmprof.requests import Generate, Outcome
from llmprof.responses import Failure

if TYPE_CHECKING:
    import torch


def completions(
    decoder: Decoder,
    encoder: Encoder,
    requests: Sequence[Generate],
    seeds: Sequence[int],
    budget: Budget,
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answer all requests, the longest prompts first; yields, after each token, those that ended.

    Rows side by side are of one width class: the widest is less than twice as wide as the
    narrowest, so that one long prompt does not make room as long as itself for every row.

    When memory runs out, the number of rows is halved, and unfinished completions are generated
    again, with the same texts.

    Raises:
        BackendError: one completion alone is too large for the memory.
    """
    tokenizer = encoder.tokenizer
    prompts = encoder.prompts(requests)
    yield [(place, each) for place, each in enumerate(prompts) if isinstance(each, Failure)]
    pending = {
        place: _task(place, prompt, requests[place], seeds[place], decoder.longest_input)
        for place, prompt in enumerate(prompts)
        if not isinstance(prompt, Failure)
    }
    ends = end_tokens(decoder.network, tokenizer)
    while pending:
        width = max(task.width for task in pending.values())
        alike = [task for task in pending.values() if 2 * task.width > width]
        groups = _groups(alike)
        try:
            slots = min(budget.rows(width), len(alike))
            rows: Slots = (
                BufferedSlots(decoder, slots, width)
                if decoder.within_reach(width) and rows_hold(decoder, width)
                else ModelCacheSlots(decoder, slots)
            )
            for drafts in _write(decoder, tokenizer, rows, groups, ends, budget.tokens):
                yield [
                    (draft.task.place, _answer(draft, encoder, requests[draft.task.place]))
                    for draft in drafts
                ]
                for draft in drafts:
                    del pending[draft.task.place]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if not budget.halve("cached_tokens"):
                raise BackendError(TOO_LARGE) from error


def _answer(draft: Draft, encoder: Encoder, request: Generate) -> Outcome:
    """The answer of a draft that has ended; of a conversation, without its thoughts if asked."""
    outcome = outcome_of(draft)
    if encoder.thinking is None or isinstance(request.prompt, str):
        return outcome
    return without_thoughts(outcome, draft, encoder.tokenizer, encoder.thinking)


def _task(
    place: int, prompt: Sequence[int], request: Generate, seed: int, limit: int | None
) -> WritingTask:
    kept, new_tokens = shares(len(prompt), request.sampling.max_new_tokens, limit)
    cut_off = len(prompt) - kept
    return WritingTask(place, tuple(prompt[cut_off:]), new_tokens, cut_off, request.sampling, seed)


def shares(prompt: int, wanted: int, limit: int | None) -> tuple[int, int]:
    """How many tokens of a prompt are read, and how many are written at most.

    A prompt that fits keeps its place, and the answer is shortened. One that does not fit loses its
    beginning to the answer, which then gets half of the model's context at most.

    >>> shares(10, 128, 64), shares(80, 20, 64), shares(80, 128, 64)
    ((10, 54), (44, 20), (32, 32))
    """
    if limit is None:
        return prompt, wanted
    if prompt < limit:
        return prompt, min(wanted, limit - prompt)
    new_tokens = min(wanted, max(1, limit // 2))
    return max(1, limit - new_tokens), new_tokens


def _groups(tasks: Iterable[WritingTask]) -> list[list[WritingTask]]:
    """Tasks that share a prompt and its limit, the longest last, so that it is popped first."""
    groups: dict[tuple[tuple[int, ...], int], list[WritingTask]] = {}
    for task in tasks:
        groups.setdefault((task.prompt, task.new_tokens), []).append(task)
    return sorted(groups.values(), key=lambda group: group[0].width)


def _write(
    decoder: Decoder,
    tokenizer: Any,
    rows: Slots,
    groups: list[list[WritingTask]],
    ends: frozenset[int],
    prompt_tokens: int,
) -> Iterator[list[Draft]]:
    """Write until no row is left; takes from `groups` while there is room."""
    import torch

    drafts: list[Draft] = []
    while True:
        with torch.inference_mode():
            if drafts:
                _continue(decoder, rows, drafts, ends)
            if admitted := _admit(rows, groups, prompt_tokens):
                counts = [len(group) for group in admitted]
                read = rows.add([group[0].prompt for group in admitted], counts)
                fresh = [
                    Draft(task, StopWatch(tokenizer, task.sampling.stop))
                    for group in admitted
                    for task in group
                ]
                places = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
                states = read[to_device(places, read.device)]
                drawn = _draw(decoder, _samplers(decoder, fresh), states)
                _take(fresh, drawn[:, None], ends)
                drafts += fresh
            finished = [place for place, draft in enumerate(drafts) if draft.finish_reason]
            order = rows.drop(finished)
        if not drafts:
            return
        yield [drafts[place] for place in finished]
        drafts = [drafts[place] for place in order]


def _admit(
    rows: Slots, groups: list[list[WritingTask]], prompt_tokens: int
) -> list[list[WritingTask]]:
    """Take groups, or parts of them, that start now.

    New prompts wait until half of the rows are free, so that reading them pays.
    """
    admitted: list[list[WritingTask]] = []
    taken = 0
    while groups:
        group = groups[-1]
        room = rows.room(group[0].prompt, group[0].new_tokens) - taken
        longest = len(admitted[0][0].prompt) if admitted else 0
        if room <= 0 or (not admitted and room < len(rows)):
            break
        if admitted and (
            (len(admitted) + 1) * longest > prompt_tokens
            or (rows.one_length and len(group[0].prompt) != longest)
        ):
            break
        admitted.append(group[:room])
        taken += len(admitted[-1])
        del group[:room]
        if not group:
            groups.pop()
    return admitted


def _continue(decoder: Decoder, rows: Slots, drafts: Sequence[Draft], ends: frozenset[int]) -> None:
    """Write the next token of each draft; on a GPU several, so that it seldom waits for the CPU."""
    import torch

    left = min(draft.task.new_tokens - len(draft.tokens) for draft in drafts)
    samplers = _samplers(decoder, drafts)
    last = to_device(torch.tensor([draft.tokens[-1] for draft in drafts]), decoder.device)
    written = []
    for _ in range(min(left, decoder.steps_at_once)):
        last = _draw(decoder, samplers, rows.step(last.clamp_min(0)))
        written.append(last)
    _take(drafts, torch.stack(written, dim=1), ends)


def _samplers(decoder: Decoder, drafts: Sequence[Draft]) -> list[TokenSampler]:
    """One sampler for as many drafts as are projected at once."""
    size = decoder.projected_at_once
    chunks = [drafts[start : start + size] for start in range(0, len(drafts), size)]
    return [
        TokenSampler(
            [draft.task.sampling for draft in chunk],
            [draft.task.seed for draft in chunk],
            [len(draft.tokens) for draft in chunk],
        )
        for chunk in chunks
    ]


def _draw(decoder: Decoder, samplers: Sequence[TokenSampler], states: torch.Tensor) -> torch.Tensor:
    """A token for each hidden state; `states` is of shape (drafts, width)."""
    import torch

    chunks = torch.split(states, decoder.projected_at_once)
    return torch.cat(
        [
            sampler.draw(decoder.logits(chunk))
            for sampler, chunk in zip(samplers, chunks, strict=True)
        ]
    )


def _take(drafts: Sequence[Draft], tokens: torch.Tensor, ends: frozenset[int]) -> None:
    """Add tokens, of shape (drafts, steps), to the drafts; what follows an end is left out."""
    for draft, row in zip(drafts, tokens.tolist(), strict=True):
        for token in row:
            draft.take(None if token < 0 else token, ends)
            if draft.finish_reason:
                break
