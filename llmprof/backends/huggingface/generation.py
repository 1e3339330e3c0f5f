"""Writes completions: many rows side by side, samples of a prompt read it once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.batch_size import TOO_LARGE, Budget, is_out_of_memory
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.kv_cache import BufferedSlots, ModelCacheSlots, Slots, slots_agree
from llmprof.backends.huggingface.sampling import next_tokens
from llmprof.backends.huggingface.tokenization import encode_prompts
from llmprof.errors import BackendError
from llmprof.requests import Completion, Generate, Outcome, Sampling

if TYPE_CHECKING:
    import torch


# Rows whose whole vocabulary is in memory at once.
_PROJECTED_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class _Task:
    """One completion to write: at most `new_tokens` after `prompt`."""

    place: int
    prompt: tuple[int, ...]
    new_tokens: int
    truncated: int
    sampling: Sampling
    seed: int

    @property
    def width(self) -> int:
        return len(self.prompt) + self.new_tokens


@dataclass(slots=True)
class _Draft:
    """A completion under way; `finish_reason` is "" until it ends."""

    task: _Task
    watch: StopWatch
    tokens: list[int] = field(default_factory=list)
    finish_reason: str = ""

    def take(self, token: int, ends: frozenset[int]) -> None:
        if token in ends:
            self.finish_reason = "stop"
            return
        self.tokens.append(token)
        if self.watch.stopped(self.tokens):
            self.finish_reason = "stop"
        elif len(self.tokens) >= self.task.new_tokens:
            self.finish_reason = "length"


def completions(
    decoder: Decoder,
    tokenizer: Any,
    requests: Sequence[Generate],
    seeds: Sequence[int],
    budget: Budget,
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answer all requests, the longest prompts first; yields, after each token, those that ended.

    When memory runs out half as many rows run, and what was under way is written again, to the
    same texts.

    Raises:
        BackendError: one completion alone is too large for the memory.
    """
    tasks = _tasks(decoder, tokenizer, requests, seeds)
    pending = {task.place: task for task in tasks}
    ends = _end_tokens(decoder.network, tokenizer)
    side_by_side = slots_agree(decoder)
    while pending:
        width = max(task.width for task in pending.values())
        groups = _groups(pending.values())
        try:
            slots = min(budget.rows(width), len(pending))
            rows: Slots = (
                BufferedSlots(decoder, slots, width)
                if side_by_side and decoder.within_reach(width)
                else ModelCacheSlots(decoder, slots)
            )
            for drafts in _write(decoder, tokenizer, rows, groups, ends, budget.tokens):
                yield [(draft.task.place, _completion(tokenizer, draft)) for draft in drafts]
                for draft in drafts:
                    del pending[draft.task.place]
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if not budget.halve("cached_tokens"):
                raise BackendError(TOO_LARGE) from error


def _tasks(
    decoder: Decoder, tokenizer: Any, requests: Sequence[Generate], seeds: Sequence[int]
) -> list[_Task]:
    limit = decoder.longest_input
    tasks = []
    prompts = encode_prompts(tokenizer, requests)
    for place, (request, prompt, seed) in enumerate(zip(requests, prompts, seeds, strict=True)):
        wanted = request.sampling.max_new_tokens
        room = len(prompt) if limit is None else max(1, limit - wanted)
        kept = tuple(prompt[-room:])
        new_tokens = wanted if limit is None else min(wanted, limit - len(kept))
        cut_off = len(prompt) - len(kept)
        tasks.append(_Task(place, kept, new_tokens, cut_off, request.sampling, seed))
    return tasks


def _groups(tasks: Any) -> list[list[_Task]]:
    """Tasks that share a prompt and its limit, the longest last, so that it is popped first."""
    groups: dict[tuple[tuple[int, ...], int], list[_Task]] = {}
    for task in tasks:
        groups.setdefault((task.prompt, task.new_tokens), []).append(task)
    return sorted(groups.values(), key=lambda group: group[0].width)


def _write(
    decoder: Decoder,
    tokenizer: Any,
    rows: Slots,
    groups: list[list[_Task]],
    ends: frozenset[int],
    prompt_tokens: int,
) -> Iterator[list[_Draft]]:
    """Write until no row is left; takes from `groups` while there is room."""
    import torch

    drafts: list[_Draft] = []
    while True:
        with torch.inference_mode():
            if drafts:
                states = rows.step([draft.tokens[-1] for draft in drafts])
                _extend(decoder, drafts, states, ends)
            if admitted := _admit(rows, groups, prompt_tokens):
                counts = [len(group) for group in admitted]
                read = rows.add([group[0].prompt for group in admitted], counts)
                fresh = [
                    _Draft(task, StopWatch(tokenizer, task.sampling.stop))
                    for group in admitted
                    for task in group
                ]
                places = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
                _extend(decoder, fresh, read[places.to(read.device)], ends)
                drafts += fresh
            finished = [place for place, draft in enumerate(drafts) if draft.finish_reason]
            order = rows.drop(finished)
        if not drafts:
            return
        yield [drafts[place] for place in finished]
        drafts = [drafts[place] for place in order]


def _admit(rows: Slots, groups: list[list[_Task]], prompt_tokens: int) -> list[list[_Task]]:
    """Take groups, or parts of them, that start now.

    New prompts wait until half of the rows are free, so that reading them pays.
    """
    admitted: list[list[_Task]] = []
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


def _extend(
    decoder: Decoder, drafts: Sequence[_Draft], states: torch.Tensor, ends: frozenset[int]
) -> None:
    """Draw one token for each draft from its hidden state; `states` is of shape (drafts, width)."""
    for start in range(0, len(drafts), _PROJECTED_AT_ONCE):
        some = drafts[start : start + _PROJECTED_AT_ONCE]
        tokens = next_tokens(
            decoder.logits(states[start : start + _PROJECTED_AT_ONCE]),
            [draft.task.sampling for draft in some],
            [draft.task.seed for draft in some],
            [len(draft.tokens) for draft in some],
        )
        for draft, token in zip(some, tokens, strict=True):
            draft.take(token, ends)


def _completion(tokenizer: Any, draft: _Draft) -> Completion:
    text = cut(decode(tokenizer, draft.tokens), draft.task.sampling.stop)
    return Completion(text, len(draft.tokens), draft.finish_reason, draft.task.truncated)


def _end_tokens(network: Any, tokenizer: Any) -> frozenset[int]:
    configured = getattr(network.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*ends, tokenizer.eos_token_id] if token is not None)


# What an incomplete multi-byte character decodes to.
_INCOMPLETE = "\ufffd"


class StopWatch:
    """Says when one of `stops` has appeared; decodes a few tokens a step, not the whole text."""

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stop for stop in stops if stop)
        self._overlap = max((len(stop) for stop in self._stops), default=1) - 1
        self._tail = ""
        self._context = 0  # first token decoded again, for the blanks that depend on neighbours
        self._read = 0  # tokens whose text is in the tail or before it

    def stopped(self, tokens: Sequence[int]) -> bool:
        """Whether a stop string is complete; each call gets all tokens so far, one more."""
        if not self._stops:
            return False
        before = decode(self._tokenizer, tokens[self._context : self._read])
        after = decode(self._tokenizer, tokens[self._context :])
        fresh = after[len(before) :]
        if any(stop in self._tail + fresh for stop in self._stops):
            return True
        if not fresh.endswith(_INCOMPLETE):
            self._tail = (self._tail + fresh)[-self._overlap :] if self._overlap else ""
            self._context, self._read = self._read, len(tokens)
        return False


def decode(tokenizer: Any, tokens: Sequence[int]) -> str:
    """The text of tokens as the model wrote it: no special tokens, no blanks tidied up."""
    text: str = tokenizer.decode(
        list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return text


def cut(text: str, stops: Sequence[str]) -> str:
    """`text` up to the first stop string in it.

    >>> cut("one two three", ["three", "two"])
    'one '
    """
    found = [text.find(stop) for stop in stops if stop and stop in text]
    return text[: min(found)] if found else text
