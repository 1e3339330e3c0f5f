"""Where in a text its tokens end, known from the texts of the tokens alone.

Servers write tokens in different ways: with or without markers for spaces, with U+FFFD or bytes for
a part of a character.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence

from llmprof.backends.network.retries import RequestFault

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# How some servers write a space and a line break in a token.
_MARKERS = {"▁": " ", "Ġ": " ", "Ċ": "\n"}
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_BYTES = re.compile(r"bytes:( ?(?:\\x[0-9a-f]{2})+)")
_WORD = re.compile(r"\s*\S*")


def ends_of(tokens: Sequence[str | None], text: str) -> list[int]:
    """The possible numbers of tokens of `text`, which `tokens` begin with.

    There are several if its last character is spread over tokens. A token of unknown text is None.
    """
    places = enumerate(_reach(tokens, text, {0}, begins=True))
    return [place for place, reached in places if len(text) in reached]


def starts_of(tokens: Sequence[str | None], context: str, continuation: str) -> list[int]:
    """The positions in `tokens` where `continuation` can begin after `context`.

    There are several if a character is spread over tokens, and none if one token holds both the end
    of the context and the beginning of the continuation.
    """
    whole = context + continuation
    return [
        place
        for place, reached in enumerate(_reach(tokens, whole, {0}, begins=True))
        if len(context) in reached
        and any(len(whole) in end for end in _reach(tokens[place:], whole, {len(context)}))
    ]


async def start_of(
    tokens: Sequence[str | None],
    context: str,
    continuation: str,
    count: Callable[[str], Awaitable[int]],
    *,
    exact: bool,
) -> int:
    """The position in `tokens` where `continuation` begins after `context`.

    Where the texts of the tokens do not tell, `count` counts the tokens of the context alone, as
    lm-evaluation-harness does: a token that spans the boundary then belongs to the continuation.

    Raises:
        RequestFault: there is such a token, and the position must be `exact`.
    """
    starts = starts_of(tokens, context, continuation) if context else [0]
    if len(starts) == 1:
        return starts[0]
    if exact and not starts:
        raise RequestFault("TokenBoundary", "no token ends where the prompt does")
    return await count(context)


def _reach(
    tokens: Sequence[str | None], text: str, start: set[int], *, begins: bool = False
) -> Iterator[set[int]]:
    """How far in `text` the first 0, 1, 2, ... tokens can reach from `start`.

    At the beginning of a text (`begins`), a tokenizer may add a space and show it or not.
    """
    reached = start
    yield reached
    for place, token in enumerate(tokens):
        after = {end for position in reached for end in _ends(token, text, position)}
        if begins and place == 0 and token:
            after |= _ends(f" {token}", text, 0)
            if token[0] == " " or _MARKERS.get(token[0]) == " ":
                after |= _ends(token[1:], text, 0)
        reached = after
        yield reached


def _ends(token: str | None, text: str, start: int) -> set[int]:
    """Where in `text` a token that begins at `start` can end.

    A part of a character shows as U+FFFD: it ends the character or not. A token of unknown text is
    a word or its beginning.
    """
    if token is None:
        word = _WORD.match(text, start)
        return set(range(start + 1, word.end() + 1)) if word else set()
    ends = {start}
    for part in token:
        if part == _REPLACEMENT:
            ends |= {end + 1 for end in ends if end < len(text) and not text[end].isascii()}
        else:
            alike = (part, _MARKERS.get(part, part))
            ends = {end + 1 for end in ends if text.startswith(alike, end)}
    return ends


def shown(token: str) -> str:
    """The text of a token, with U+FFFD for each byte of a part of a character."""
    if byte := _BYTE.fullmatch(token):
        value = int(byte[1], 16)
        return chr(value) if value < 0x80 else _REPLACEMENT
    if found := _BYTES.fullmatch(token):
        return re.sub(r"\\x[0-9a-f]{2}", _REPLACEMENT, found[1])
    return token
