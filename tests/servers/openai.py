"""A stand-in of an OpenAI-compatible server whose model is a function of the text.

It offers what it is told to: `echo` and `prompt_logprobs` as vLLM answers them, embeddings, one
model or several. Unknown ways of asking are ignored or refused, as real servers do.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.servers.faults import Faults

KEY = "openai-key-of-the-tests"


@dataclass(frozen=True)
class ScoredToken:
    """A token of a prompt; `log_prob` is None where nothing stands before it."""

    text: str
    log_prob: float | None
    greedy: bool


Scorer = Callable[[str], list[ScoredToken]]


def toy_scorer(prompt: str, bos: str | None = None, eos: str | None = None) -> list[ScoredToken]:
    """Words with the blank before them; values in (-2, -1] made of the text up to there."""
    parts = ([bos] if bos else []) + re.findall(r"<\w+>|\s?\w{1,6}|\s?[^\w\s]|\s", prompt)
    parts += [eos] if eos else []
    tokens = []
    for place, part in enumerate(parts):
        value = unit("".join(parts[: place + 1]))
        tokens.append(ScoredToken(part, -1.0 - value if place else None, value < 0.5))
    return tokens


class OpenAIServer:
    """`ways` are the ways of scoring a prompt that work; `asked` keeps path and body in turn.

    Without `beginning_listed` the first token is counted, but not among those that are echoed.

    `owner` is what the list of models says of who serves them.

    `answered` counts the answers by text; one that was given up during the `latency` (seconds) is
    not counted.
    """

    def __init__(
        self,
        *,
        ways: tuple[str, ...] = ("echo",),
        scorer: Scorer = toy_scorer,
        embeddings: bool = True,
        models: tuple[str, ...] = ("toy",),
        faults: Faults | None = None,
        latency: float = 0.0,
        key: str | None = None,
        beginning_listed: bool = True,
        owner: str | None = None,
    ) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answered: Counter[str] = Counter()
        self._ways = ways
        self._scorer = scorer
        self._embeddings = embeddings
        self._models = models
        self._faults = faults
        self._latency = latency
        self._key = key
        self._beginning_listed = beginning_listed
        self._owner = owner
        self.dimension = 2

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._faults.middleware] if self._faults else [])
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._complete)
        if self._embeddings:
            app.router.add_post("/v1/embeddings", self._embed)
        return app

    async def _body(self, request: web.Request) -> dict[str, Any]:
        if self._key and request.headers.get("Authorization") != f"Bearer {self._key}":
            said = request.headers.get("Authorization", "none")
            raise web.HTTPUnauthorized(
                text=f'{{"error": {{"message": "Incorrect API key provided: {said}"}}}}',
                content_type="application/json",
            )
        if request.method == "GET":
            return {}
        body: dict[str, Any] = await request.json()
        if body["model"] not in self._models:
            raise web.HTTPNotFound(
                text='{"error": {"message": "The model does not exist."}}',
                content_type="application/json",
            )
        self.asked.append((request.path.removeprefix("/v1"), body))
        await asyncio.sleep(self._latency)
        return body

    async def _list(self, request: web.Request) -> web.Response:
        await self._body(request)
        entry = {"object": "model", "owned_by": self._owner}
        data = [{**entry, "id": name, "root": f"/{name}"} for name in self._models]
        return web.json_response({"object": "list", "data": data})

    async def _chat(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        text = said(body["messages"][-1]["content"], body["seed"])
        self.answered[text] += 1
        message = {"role": "assistant", "content": text}
        return _choice({"message": message, "finish_reason": "stop"}, 9, 3)

    async def _complete(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if body.get("prompt_logprobs") is not None and "prompt_logprobs" not in self._ways:
            return web.json_response({"detail": "Unexpected fields in the request"}, status=422)
        tokens = self._scorer(body["prompt"])
        choice: dict[str, Any] = {"text": said(body["prompt"], body.get("seed", 0))}
        choice["finish_reason"] = "length"
        if body.get("echo") and "echo" in self._ways:
            listed = tokens if self._beginning_listed else tokens[1:]
            choice["logprobs"] = _echoed([*listed, ScoredToken(".", -0.5, True)])
        if body.get("prompt_logprobs") is not None:
            choice["prompt_logprobs"] = _prompt_logprobs(tokens)
        self.answered[choice["text"]] += 1
        return _choice(choice, len(tokens), 1)

    async def _embed(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        # Out of order: the index counts, not the place.
        data = [
            {"object": "embedding", "index": place, "embedding": self._vector(text)}
            for place, text in reversed(list(enumerate(body["input"])))
        ]
        return web.json_response({"object": "list", "data": data, "model": body["model"]})

    def _vector(self, text: str) -> list[float]:
        return [unit(text), *(unit(f"{text}{place}") for place in range(2, self.dimension + 1))]


def said(prompt: str, seed: int) -> str:
    """What the stand-in's model says."""
    return f"{prompt} indeed, {seed}"


def unit(text: str) -> float:
    """A number in [0, 1) made of the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32


def _choice(choice: dict[str, Any], prompt_tokens: int, completion_tokens: int) -> web.Response:
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    return web.json_response({"id": "1", "choices": [{"index": 0, **choice}], "usage": usage})


def _echoed(tokens: list[ScoredToken]) -> dict[str, Any]:
    top = [
        None
        if token.log_prob is None
        else {token.text: token.log_prob, **({} if token.greedy else {" other": -0.1})}
        for token in tokens
    ]
    offsets = [sum(len(each.text) for each in tokens[:place]) for place in range(len(tokens))]
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.log_prob for token in tokens],
        "top_logprobs": top,
        "text_offset": offsets,
    }


def _prompt_logprobs(tokens: list[ScoredToken]) -> list[dict[str, Any] | None]:
    places: list[dict[str, Any] | None] = []
    for token in tokens:
        if token.log_prob is None:
            places.append(None)
            continue
        rank = 1 if token.greedy else 7
        own = {"logprob": token.log_prob, "rank": rank, "decoded_token": token.text}
        best = {"logprob": -0.1, "rank": 1, "decoded_token": " other"}
        places.append({"11": own} if token.greedy else {"11": own, "12": best})
    return places
