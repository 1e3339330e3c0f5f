"""Log-likelihoods from llama.cpp's `llama-server`, which scores only the tokens that it generates.

A grammar of exactly the tokens of the continuation makes it generate them. The log-probabilities
that it then reports are those of the whole vocabulary, before the grammar:
https://github.com/ggml-org/llama.cpp, tools/server/README.md and grammars/README.md. It reports
none for a token that holds a part of a character: such a token is looked up in the list of all
tokens at its position. The server keeps the keys and values of a context that several continuations
share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Annotated, Any

from pydantic import Field

from llmprof.backends.network.retries import RequestFault
from llmprof.backends.network.server import Server, StrictModel
from llmprof.backends.openai_logprobs import PROBE, LogProb, Post, beginning, empty_continuation
from llmprof.requests import LogLikelihood
from llmprof.responses import TokenLogProbs

# No vocabulary is larger.
_ALL_TOKENS = 10**7
# Probabilities after the grammar are all 1.
_NEARLY_CERTAIN = -1e-3


class _Token(StrictModel):
    id: int = Field(ge=0)
    # Its bytes, where they cut a character.
    piece: str | list[Annotated[int, Field(ge=0, le=255)]]

    @property
    def is_whole(self) -> bool:
        """Whether no character is cut."""
        return isinstance(self.piece, str)

    @property
    def content(self) -> bytes:
        return self.piece.encode() if isinstance(self.piece, str) else bytes(self.piece)


class _Tokens(StrictModel):
    tokens: list[_Token]


class _LikelyToken(StrictModel):
    id: int
    logprob: LogProb


class _GeneratedToken(_LikelyToken):
    # In the order of their probability.
    top_logprobs: list[_LikelyToken] = Field(min_length=1)


class _GeneratedLogProbs(StrictModel):
    content: list[_GeneratedToken]


class _ForcedChoice(StrictModel):
    logprobs: _GeneratedLogProbs


class _ForcedAnswer(StrictModel):
    choices: list[_ForcedChoice] = Field(min_length=1)


class _Settings(StrictModel):
    n_ctx: int | None = Field(default=None, gt=0)


class _Properties(StrictModel):
    bos_token: str = ""
    default_generation_settings: _Settings = _Settings()


class ForcedTokens:
    """Scores texts by making the server generate them.

    `begin` are the tokens that the server puts before every prompt; `bos_token` is the text of the
    one for a text without context, where there are none. `any_token` holds whole characters.
    `longest` is the number of tokens in the server's context, None where it is not known.
    """

    def __init__(
        self,
        post: Post,
        server: Server,
        begin: Sequence[int],
        bos_token: str | None,
        any_token: int,
        longest: int | None,
    ) -> None:
        self._any_token = any_token
        self._longest = longest
        self._post = post
        self._server = server
        self._begin = list(begin)
        self._bos_token = bos_token

    @property
    def whole_texts(self) -> bool:
        return bool(self._begin or self._bos_token)

    async def score(self, request: LogLikelihood) -> TokenLogProbs:
        context, continuation = request.parts
        # A rendered prompt has its beginning-of-text token.
        begin = [] if request.reading == "rendered" else self._begin
        if not context and not begin:
            context = beginning(self._bos_token, self._server)
        head = await self._tokens(context) if context else []
        start = len(head)
        tokens = await self._tokens(context + continuation)
        if request.reading != "text" and tokens[:start] != head:
            tokens = head + await self._apart(continuation)
        if len(tokens) <= start:
            raise empty_continuation()
        before = begin + [token.id for token in tokens[:start]]
        self._check_length(len(begin) + len(tokens))
        scores = []
        for run in _runs(tokens[start:]):
            scores.append(await self._scored(before, run))
            before += [token.id for token in run]
        values = tuple(value for score in scores for value in score.per_token)
        return TokenLogProbs(sum(values), values, all(score.is_greedy for score in scores))

    def _check_length(self, count: int) -> None:
        if self._longest is not None and count > self._longest:
            raise RequestFault(
                "ContextTooLong",
                f"the text has {count} tokens, and the context of {self._server.base_url} "
                f"{self._longest}; start llama-server with a larger one (-c)",
            )

    async def _apart(self, continuation: str) -> list[_Token]:
        """The tokens of a continuation that was generated after other tokens.

        Raises:
            RequestFault: tokenized alone, it is another text.
        """
        tokens = await self._tokens(continuation)
        if b"".join(token.content for token in tokens) != continuation.encode():
            raise RequestFault("TokenBoundary", "no token ends where the prompt does")
        return tokens

    async def _scored(self, before: list[int], run: list[_Token]) -> TokenLogProbs:
        ids = [token.id for token in run]
        if run[0].is_whole:
            fields, read = forcing(before, ids), read_forced
        else:
            fields, read = forcing(before, [self._any_token], _ALL_TOKENS), read_listed
        answer = await self._post("/completions", **fields)
        return self._server.understand(
            partial(read, answer, ids), "the log-probabilities of the continuation"
        )

    async def _tokens(self, text: str) -> list[_Token]:
        answer = await self._post(tokenizer_of(self._server), **tokenizing(text))
        read = partial(_Tokens.model_validate, answer)
        return self._server.understand(read, "tokens").tokens


def forced_tokens(
    ask: Callable[[str, dict[str, Any] | None], Any],
    post: Post,
    server: Server,
    bos_token: str | None,
) -> ForcedTokens | None:
    """How `server` scores texts; None if it cannot, as versions without grammars of tokens.

    `ask` answers a test request, with None where the server refuses it. `bos_token` is the one that
    a user names; else the server is asked.

    Raises:
        ValueError: an answer does not hold what was asked for.
    """
    place = tokenizer_of(server)
    plain, special = (
        [token.id for token in _Tokens.model_validate(ask(place, fields)).tokens]
        for fields in (tokenizing(PROBE), tokenizing(PROBE, special=True))
    )
    begin = _before(plain, special)
    if len(plain) < 2:
        return None
    scored = read_forced(ask("/completions", forcing([*begin, plain[0]], plain[1:])), plain[1:])
    if min(scored.per_token) > _NEARLY_CERTAIN:
        return None
    answer = ask(f"{_root(server)}/props", None)
    properties = _Properties() if answer is None else _Properties.model_validate(answer)
    return ForcedTokens(
        post,
        server,
        begin,
        bos_token or properties.bos_token or None,
        any_token=plain[0],
        longest=properties.default_generation_settings.n_ctx,
    )


def _runs(tokens: Sequence[_Token]) -> Iterator[list[_Token]]:
    """Runs of tokens that hold whole characters; each of the other tokens is one of its own."""
    for is_whole, run in groupby(tokens, lambda token: token.is_whole):
        if is_whole:
            yield list(run)
        else:
            yield from ([token] for token in run)


def _before(plain: Sequence[int], special: Sequence[int]) -> list[int]:
    """The tokens in `special` before those of `plain`.

    Raises:
        ValueError: those of `plain` are not there.
    """
    for start in range(len(special) - len(plain) + 1):
        if special[start : start + len(plain)] == plain:
            return list(special[:start])
    raise ValueError("special tokens change the tokens of the text")


def _root(server: Server) -> str:
    """The address of the server's own interface, beside OpenAI's."""
    return server.base_url.removesuffix("/v1")


def tokenizer_of(server: Server) -> str:
    return f"{_root(server)}/tokenize"


def tokenizing(text: str, *, special: bool = False) -> dict[str, Any]:
    """A request for the tokens of a text; `special` adds those that begin and end each prompt."""
    return {"content": text, "add_special": special, "parse_special": True, "with_pieces": True}


def forcing(prompt: Sequence[int], continuation: Sequence[int], listed: int = 1) -> dict[str, Any]:
    """A request to generate the tokens of `continuation` after those of `prompt`.

    At each position the `listed` most likely tokens are listed.
    """
    return {
        "prompt": list(prompt),
        "max_tokens": len(continuation),
        "grammar": "root ::= " + " ".join(f"<[{token}]>" for token in continuation),
        "temperature": 0,
        "logprobs": listed,
        "post_sampling_probs": False,
        "cache_prompt": True,
    }


def read_forced(answer: Any, continuation: Sequence[int]) -> TokenLogProbs:
    """The score of the tokens of `continuation`, from the answer to `forcing`.

    Raises:
        ValueError: other tokens were generated.
    """
    tokens = _ForcedAnswer.model_validate(answer).choices[0].logprobs.content
    if not continuation or [token.id for token in tokens] != list(continuation):
        raise ValueError("other tokens than those that were asked for")
    values = tuple(min(token.logprob, 0.0) for token in tokens)
    greedy = all(token.top_logprobs[0].id == token.id for token in tokens)
    return TokenLogProbs(sum(values), values, greedy)


def read_listed(answer: Any, continuation: Sequence[int]) -> TokenLogProbs:
    """The score of the only token of `continuation`, which is listed beside the one generated.

    Raises:
        ValueError: it is not listed.
    """
    (wanted,) = continuation
    (token,) = _ForcedAnswer.model_validate(answer).choices[0].logprobs.content
    for place, each in enumerate(token.top_logprobs):
        if each.id == wanted:
            value = min(each.logprob, 0.0)
            return TokenLogProbs(value, (value,), place == 0)
    raise ValueError("the token is not listed")
