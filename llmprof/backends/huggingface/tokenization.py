"""Turns texts into token ids, the way lm-evaluation-harness does at the boundary of a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmprof.requests import Failure, Generate, LogLikelihood

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray


_TEXTS_AT_ONCE = 2048


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


def encode_pairs(
    tokenizer: Any, requests: Sequence[LogLikelihood], longest_input: int | None
) -> list[EncodedPair | Failure]:
    """Token ids of each request, cut from the left to what the model can read.

    The text is tokenized as a whole and split after as many tokens as the context has alone, so
    that a merge over the boundary counts for the context. Blanks that end the context belong to
    the continuation. An empty context is the beginning-of-text token, or else end-of-text.
    """
    pairs = [_move_blanks(request.context, request.continuation) for request in requests]
    contexts = list(dict.fromkeys(context for context, _ in pairs if context))
    heads = dict(zip(contexts, encode(tokenizer, contexts), strict=True))
    wholes = encode(tokenizer, [head + tail for head, tail in pairs if head])
    tails = encode(tokenizer, [tail for head, tail in pairs if not head], special=False)
    queue, bare = iter(wholes), iter(tails)
    encoded: list[EncodedPair | Failure] = []
    for context, _ in pairs:
        if context:
            encoded.append(fit(next(queue), len(heads[context]), longest_input))
        else:
            tokens = next(bare)
            first = first_token(tokenizer)
            begun = tokens if tokens[:1] == [first] else [first, *tokens]
            encoded.append(fit(begun, 1, longest_input))
    return encoded


def encode_prompts(tokenizer: Any, requests: Sequence[Generate]) -> list[list[int]]:
    """Token ids of each prompt; messages go through the chat template."""
    texts = [
        request.prompt
        if isinstance(request.prompt, str)
        else tokenizer.apply_chat_template(
            [{"role": turn.role, "content": turn.content} for turn in request.prompt],
            tokenize=False,
            add_generation_prompt=True,
        )
        for request in requests
    ]
    unique = {
        special: list(
            dict.fromkeys(
                text
                for text, request in zip(texts, requests, strict=True)
                if isinstance(request.prompt, str) is special
            )
        )
        for special in (True, False)
    }
    known = {
        (special, text): ids or [first_token(tokenizer)]
        for special, group in unique.items()
        for text, ids in zip(group, encode(tokenizer, group, special=special), strict=True)
    }
    return [
        known[isinstance(request.prompt, str), text]
        for text, request in zip(texts, requests, strict=True)
    ]


def first_token(tokenizer: Any) -> int:
    """The token that stands before a text without context."""
    begin = tokenizer.bos_token_id
    return int(tokenizer.eos_token_id if begin is None else begin)


def encode(tokenizer: Any, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
    """Token ids of each text; with `special` those that the tokenizer adds, once.

    A text that begins with the beginning-of-text token, as a chat template writes it, gets none.
    """
    begin = tokenizer.decode([first_token(tokenizer)])
    added = [special and not (begin and text.startswith(begin)) for text in texts]
    ids: list[list[int]] = [[] for _ in texts]
    for add in (True, False):
        places = [place for place, each in enumerate(added) if each is add]
        for start in range(0, len(places), _TEXTS_AT_ONCE):
            chunk = places[start : start + _TEXTS_AT_ONCE]
            encoded = tokenizer([texts[place] for place in chunk], add_special_tokens=add)
            for place, tokens in zip(chunk, encoded["input_ids"], strict=True):
                ids[place] = tokens
    return ids


def _move_blanks(context: str, continuation: str) -> tuple[str, str]:
    kept = context.rstrip()
    return (kept, context[len(kept) :] + continuation) if context else ("", continuation)


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
