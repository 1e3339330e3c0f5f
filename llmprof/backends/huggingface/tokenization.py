"""Turns texts into token ids, the way lm-evaluation-harness does at the boundary of a context."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from llmprof.backends.thinking import Thinking
from llmprof.errors import BackendError
from llmprof.requests import Generate, LogLikelihood, Message
from llmprof.responses import Failure

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


_TEXTS_AT_ONCE = 2048
# Shows which tokens a tokenizer puts around a text.
_SAMPLE_TEXT = "a"


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """Token ids of context and continuation; the last `scored` are the continuation's."""

    tokens: NDArray[np.int32]
    scored: int
    truncated: int

    @property
    def read(self) -> NDArray[np.int32]:
        """What the model reads: the last token is only predicted."""
        return self.tokens[:-1]


@dataclass(frozen=True)
class Encoder:
    """Encodes texts for one causal language model.

    `render` writes a conversation as the text of the model's chat template; `vocabulary` is the
    number of tokens that the model has embeddings for, None when that is not known. `thinking` is
    what the user wants of the model's thoughts.

    Every method raises BackendError for a text with a token that the model has no embedding for.
    """

    tokenizer: Any
    model: str = ""
    render: Callable[[Sequence[Message]], str] | None = None
    vocabulary: int | None = None
    thinking: Thinking | None = None

    def pairs(
        self, requests: Sequence[LogLikelihood], longest_input: int | None
    ) -> list[EncodedPair | Failure]:
        """Token ids of each request, cut from the left to what the model can read.

        The text is tokenized as a whole and split after as many tokens as the context has alone;
        `LogLikelihood` says what follows from it. An empty context is the beginning-of-text token,
        or else end-of-text.
        """
        pairs = [request.parts for request in requests]
        readings = [request.reading for request in requests]
        heads = self._encode_once(
            [
                (head, reading != "rendered")
                for (head, _), reading in zip(pairs, readings, strict=True)
            ]
        )
        wholes = self._encode_once(
            [
                (head + tail, bool(head) and reading != "rendered")
                for (head, tail), reading in zip(pairs, readings, strict=True)
            ]
        )
        encoded: list[EncodedPair | Failure] = []
        for (head, tail), reading, before, whole in zip(
            pairs, readings, heads, wholes, strict=True
        ):
            if not head:
                encoded.append(self._begin(whole, longest_input))
            elif reading == "text" or whole[: len(before)] == before:
                encoded.append(fit(whole, len(before), longest_input))
            else:
                encoded.append(self._join(head, before, tail, longest_input))
        return encoded

    def prompts(self, requests: Sequence[Generate]) -> list[list[int] | Failure]:
        """Token ids of each prompt; messages go through the chat template.

        An empty prompt is the beginning-of-text token, or else end-of-text.
        """
        texts = [
            (request.prompt, True)
            if isinstance(request.prompt, str)
            else (self._rendered(request.prompt), False)
            for request in requests
        ]
        return [ids or self._start for ids in self._encode_once(texts)]

    def by_default(self, text: str) -> list[int]:
        """Token ids with all special tokens that the tokenizer adds, after the text as well."""
        tokens = list(self.tokenizer(text)["input_ids"])
        check_ids(self.tokenizer, self.model, [tokens], self.vocabulary)
        return tokens

    def whole(self, text: str) -> list[int] | Failure:
        """Token ids of a text after the token that begins it."""
        return self._after_start(self.encode([text], special=False)[0])

    @cached_property
    def first_token(self) -> int | None:
        """The token that stands before a text without context; None where there is none."""
        begin = self.tokenizer.bos_token_id
        first = self.tokenizer.eos_token_id if begin is None else begin
        return None if first is None else int(first)

    def encode(self, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
        """Token ids of each text; with `special` those that the tokenizer puts before it, once.

        A text that begins with the beginning-of-text token, as a chat template writes it, gets
        none. What the tokenizer puts after a text (an end-of-text token) is left out: here a text
        always goes on.
        """
        begin = "" if self.first_token is None else self.tokenizer.decode([self.first_token])
        added = [special and not (begin and text.startswith(begin)) for text in texts]
        ids: list[list[int]] = [[] for _ in texts]
        for add in (True, False):
            end = self.tokens_after_text if add else 0
            places = [place for place, each in enumerate(added) if each is add]
            for start in range(0, len(places), _TEXTS_AT_ONCE):
                chunk = places[start : start + _TEXTS_AT_ONCE]
                encoded = self.tokenizer([texts[place] for place in chunk], add_special_tokens=add)
                for place, tokens in zip(chunk, encoded["input_ids"], strict=True):
                    ids[place] = list(tokens[: len(tokens) - end])
        check_ids(self.tokenizer, self.model, ids, self.vocabulary)
        return ids

    def _encode_once(self, texts: Sequence[tuple[str, bool]]) -> list[list[int]]:
        """Token ids of each text, with special tokens where its flag says so."""
        known: dict[tuple[str, bool], list[int]] = {}
        for special in (True, False):
            group = list(dict.fromkeys(text for text, flag in texts if flag is special))
            encoded = self.encode(group, special=special)
            known.update(zip([(text, special) for text in group], encoded, strict=True))
        return [known[each] for each in texts]

    @cached_property
    def tokens_after_text(self) -> int:
        """How many tokens the tokenizer adds at the end of a text."""
        plain = self.tokenizer(_SAMPLE_TEXT, add_special_tokens=False)["input_ids"]
        whole = self.tokenizer(_SAMPLE_TEXT)["input_ids"]
        for start in range(len(whole) - len(plain) + 1):
            if whole[start : start + len(plain)] == plain:
                return len(whole) - len(plain) - start
        raise BackendError(
            f"the tokenizer of model {self.model} changes a text's own tokens when it adds special "
            "ones, so that a text cannot be split into context and continuation; choose another "
            "model"
        )

    def _rendered(self, messages: Sequence[Message]) -> str:
        assert self.render is not None
        return self.render(messages)

    @property
    def _start(self) -> list[int] | Failure:
        if self.first_token is None:
            return Failure(
                "NoFirstToken",
                f"the tokenizer of model {self.model} has neither a beginning- nor an end-of-text "
                "token to put before a text without context",
            )
        return [self.first_token]

    def _after_start(self, tokens: list[int]) -> list[int] | Failure:
        start = self._start
        return start if isinstance(start, Failure) else start + tokens[tokens[:1] == start :]

    def _begin(self, tokens: list[int], longest_input: int | None) -> EncodedPair | Failure:
        begun = self._after_start(tokens)
        return begun if isinstance(begun, Failure) else fit(begun, 1, longest_input)

    def _join(
        self, head: str, before: list[int], tail: str, longest_input: int | None
    ) -> EncodedPair | Failure:
        """Context and continuation tokenized apart, if that is still the same text."""
        (after,) = self.encode([tail], special=False)
        (plain,) = self.encode([head], special=False)
        if decode(self.tokenizer, [*plain, *after]) != decode(self.tokenizer, plain) + tail:
            return Failure(
                "TokenBoundary",
                "a token spans the end of the context and the beginning of the continuation",
            )
        return fit(before + after, len(before), longest_input)


def check_ids(
    tokenizer: Any, model: str, rows: Sequence[Sequence[int]], vocabulary: int | None
) -> None:
    """Raise BackendError for a token that the model has no embedding for."""
    highest = max((max(row, default=0) for row in rows), default=0)
    if vocabulary is not None and highest >= vocabulary:
        raise BackendError(
            f"the tokenizer of model {model} has ids up to {len(tokenizer) - 1} and the model "
            f"embeddings for {vocabulary} tokens: it cannot read "
            f"{tokenizer.convert_ids_to_tokens(highest)!r}, id {highest}; use the tokenizer that "
            "the model was trained with"
        )


def decode(tokenizer: Any, tokens: Sequence[int], *, special: bool = False) -> str:
    """The text of tokens as the model wrote it, no blanks tidied up; `special` tokens if asked."""
    text: str = tokenizer.decode(
        list(tokens), skip_special_tokens=not special, clean_up_tokenization_spaces=False
    )
    return text


def special_tokens(tokenizer: Any) -> set[str]:
    """The tokens that are left out of a text that was decoded without special tokens."""
    added = getattr(tokenizer, "added_tokens_decoder", {}).values()
    return {*tokenizer.all_special_tokens, *(each.content for each in added if each.special)}


def fit(tokens: list[int], context: int, longest_input: int | None) -> EncodedPair | Failure:
    """A sequence whose tokens after the first `context` are scored, cut to what the model reads."""
    import numpy as np

    scored = len(tokens) - context
    if scored <= 0:
        return Failure(
            "EmptyContinuation", "the continuation has no token of its own after its context"
        )
    if longest_input is not None and scored > longest_input:
        return Failure(
            "ContinuationTooLong",
            f"the continuation has {scored} tokens and the model reads {longest_input}",
        )
    excess = 0 if longest_input is None else max(0, len(tokens) - longest_input - 1)
    return EncodedPair(np.array(tokens[excess:], dtype=np.int32), scored, excess)


def pad(
    rows: Sequence[Sequence[int]], *, fill: int, left: bool, device: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and attention mask (1 is a real token), both of shape (rows, longest row)."""
    import torch

    width = max(len(row) for row in rows)
    ids, mask = [], []
    for row in rows:
        blanks = width - len(row)
        ids.append([fill] * blanks + [*row] if left else [*row] + [fill] * blanks)
        mask.append([0] * blanks + [1] * len(row) if left else [1] * len(row) + [0] * blanks)
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
