"""Unfinished completions: their tokens, stop strings, and final answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llmprof.backends.huggingface.tokenization import decode
from llmprof.backends.thinking import STRIP, Thinking, split_thoughts, thought
from llmprof.requests import Outcome, Sampling
from llmprof.responses import NOT_FINITE, SHORTENED_TO, Completion, Failure

# The finish reason of a draft whose next token has no distribution.
_FAILED = "failed"
# Of a prompt, among which a mark that opens thoughts is looked for.
_LAST_TOKENS = 16


@dataclass(frozen=True, slots=True)
class WritingTask:
    """One completion to generate: at most `new_tokens` after `prompt`."""

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
class Draft:
    """A completion under way; `finish_reason` is "" until it ends."""

    task: WritingTask
    watch: StopWatch
    tokens: list[int] = field(default_factory=list)
    finish_reason: str = ""

    def take(self, token: int | None, ends: frozenset[int]) -> None:
        """Add the next token, None where it has no distribution; `ends` are those that end it."""
        if token is None:
            self.finish_reason = _FAILED
        elif token in ends:
            self.finish_reason = "stop"
        else:
            self.tokens.append(token)
            if self.watch.stopped(self.tokens):
                self.finish_reason = "stop"
            elif len(self.tokens) >= self.task.new_tokens:
                self.finish_reason = "length"


def outcome_of(draft: Draft) -> Outcome:
    """The answer of a draft that has ended; a Failure where its logits were no numbers."""
    task = draft.task
    if draft.finish_reason == _FAILED:
        return Failure(
            NOT_FINITE,
            f"the logits of token {len(draft.tokens) + 1} are not numbers, as when activations "
            "overflow in fp16; use --dtype bf16 or fp32",
        )
    shortened = draft.finish_reason == "length" and (task.new_tokens < task.sampling.max_new_tokens)
    return Completion(
        draft.watch.text(draft.tokens),
        len(draft.tokens),
        draft.finish_reason,
        task.truncated,
        {SHORTENED_TO: task.new_tokens} if shortened else {},
    )


def without_thoughts(outcome: Outcome, draft: Draft, tokenizer: Any, thinking: Thinking) -> Outcome:
    """The answer with the number of tokens that its thoughts took, and without them to `strip`.

    The mark that ends them may be a special token, which is no text.
    """
    if not isinstance(outcome, Completion) or thinking.begin is None:
        return outcome
    tokens = draft.tokens
    before = decode(tokenizer, draft.task.prompt[-_LAST_TOKENS:], special=True).rstrip()
    whole = decode(tokenizer, tokens, special=True)
    found = split_thoughts(whole, thinking.end, opened=before.endswith(thinking.begin))
    if found is None:
        return outcome
    _, rest, mark = found
    count = len(tokens)
    if mark:
        # The fewest tokens that hold the mark.
        held = partial(decode, tokenizer, special=True)
        count = bisect_left(range(count), True, key=lambda n: mark in held(tokens[:n]))
        # The last of them may hold the beginning of the answer too.
        begun = held(tokens[:count]).partition(mark)[2]
        rest = (begun + draft.watch.text(tokens[count:])).lstrip()
    return thought(outcome, count, mark, rest if thinking.mode == STRIP else None)


def end_tokens(network: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a text, by the generation configuration and the tokenizer."""
    configured = getattr(network.generation_config, "eos_token_id", None)
    ends = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*ends, tokenizer.eos_token_id] if token is not None)


# What an incomplete multi-byte character decodes to.
_INCOMPLETE = "\ufffd"


class StopWatch:
    """Says when one of `stops` has appeared; decodes a few tokens a step, not the whole text.

    Special tokens are no text, but a stop string may be one: they are then read too.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stop for stop in stops if stop)
        self._special = any(_holds_special(tokenizer, stop) for stop in self._stops)
        self._overlap = max((len(stop) for stop in self._stops), default=1) - 1
        self._tail = ""
        self._context = 0  # first token decoded again, for the blanks that depend on neighbours
        self._read = 0  # tokens whose text is in the tail or before it

    def stopped(self, tokens: Sequence[int]) -> bool:
        """Whether a stop string is complete; each call gets all tokens so far, one more."""
        if not self._stops:
            return False
        before = self._decode(tokens[self._context : self._read])
        after = self._decode(tokens[self._context :])
        fresh = after[len(before) :]
        if any(stop in self._tail + fresh for stop in self._stops):
            return True
        if not fresh.endswith(_INCOMPLETE):
            self._tail = (self._tail + fresh)[-self._overlap :] if self._overlap else ""
            self._context, self._read = self._read, len(tokens)
        return False

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say before the first stop string, without special tokens."""
        plain = decode(self._tokenizer, tokens)
        if not self._special:
            return cut(plain, self._stops)
        whole = self._decode(tokens)
        kept = cut(whole, self._stops)
        if kept == whole:
            return plain
        count = len(tokens)
        while count and len(self._decode(tokens[:count])) > len(kept):
            count -= 1
        # The stop may begin within a token, whose beginning is still text.
        rest = kept[len(self._decode(tokens[:count])) :]
        return decode(self._tokenizer, tokens[:count]) + rest

    def _decode(self, tokens: Sequence[int]) -> str:
        return decode(self._tokenizer, tokens, special=self._special)


def _holds_special(tokenizer: Any, stop: str) -> bool:
    tokens = tokenizer(stop, add_special_tokens=False)["input_ids"]
    return decode(tokenizer, tokens) != decode(tokenizer, tokens, special=True)


def cut(text: str, stops: Sequence[str]) -> str:
    """`text` up to the first stop string in it.

    >>> cut("one two three", ["three", "two"])
    'one '
    """
    found = [text.find(stop) for stop in stops if stop and stop in text]
    return text[: min(found)] if found else text
