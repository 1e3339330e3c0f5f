"""A stand-in of llama.cpp's `llama-server` whose model is a function of the tokens.

Each character of a word of ASCII letters belongs to one token with the space before it; of other
characters each byte is a token. It does as version 11669 of the real one was seen to do: a grammar
of tokens forces them, log-probabilities are those before the grammar, and a token that ends within
a character is not reported.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from tests.servers.openai import said, unit

BOS = "<s>"
_TOKEN = re.compile(rb"<s>| ?[A-Za-z]{1,4}|[\x00-\xff]", re.DOTALL)


class LlamaServer:
    """`adds_bos` says whether its tokenizer puts `<s>` before a text. `asked` keeps path and body.

    `forces` is false for a version without grammars of tokens, `after_grammar` true for one that
    reports probabilities after the grammar.
    """

    def __init__(
        self, *, adds_bos: bool = False, forces: bool = True, after_grammar: bool = False
    ) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.bos = BOS
        self.longest = 64
        self._adds_bos = adds_bos
        self._forces = forces
        self._after_grammar = after_grammar
        self._pieces = [BOS.encode()]

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/models", self._list)
        app.router.add_get("/props", self._properties)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/v1/completions", self._complete)
        return app

    def log_probs(self, before: str, text: str) -> list[float]:
        """The log-probability of each token of `text` after the tokens of `before`."""
        ids = self.tokens(before)
        values = []
        for token in self.tokens(text):
            values.append(self._log_prob(ids, token))
            ids.append(token)
        return values

    def most_likely(self, before: bytes) -> bytes:
        """The most likely of the tokens seen so far."""
        ids = self.tokens(before)
        best = max(range(len(self._pieces)), key=lambda each: self._log_prob(ids, each))
        return self._pieces[best]

    def tokens(self, text: str | bytes) -> list[int]:
        content = text.encode() if isinstance(text, str) else text
        return [self._id(piece) for piece in _TOKEN.findall(content)]

    def _id(self, piece: bytes) -> int:
        if piece not in self._pieces:
            self._pieces.append(piece)
        return self._pieces.index(piece)

    def _log_prob(self, before: list[int], token: int) -> float:
        text = b"|".join(self._pieces[each] for each in [*before, token])
        return -1.0 - 9 * unit(text.hex())

    async def _list(self, request: web.Request) -> web.Response:
        listed = {"id": "tiny.gguf", "object": "model", "owned_by": "llamacpp"}
        return web.json_response({"object": "list", "data": [listed]})

    async def _properties(self, request: web.Request) -> web.Response:
        settings = {"n_ctx": self.longest, "params": {}}
        return web.json_response({"bos_token": self.bos, "default_generation_settings": settings})

    async def _tokenize(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append((request.path, body))
        ids = self.tokens(body["content"])
        if self._adds_bos and body["add_special"]:
            ids = [0, *ids]
        return web.json_response({"tokens": [{"id": i, "piece": self._piece(i)} for i in ids]})

    def _piece(self, token: int) -> str | list[int]:
        try:
            return self._pieces[token].decode()
        except UnicodeDecodeError:
            return list(self._pieces[token])

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append((request.path, body))
        grammar = body.get("grammar")
        if grammar is None:
            return web.json_response({"choices": [{"text": said(str(body["prompt"]), 0)}]})
        if not self._forces:
            refusal = {"code": 400, "message": "failed to parse grammar"}
            return web.json_response({"error": refusal}, status=400)
        before = list(body["prompt"])
        content = []
        for token in map(int, re.findall(r"<\[(\d+)\]>", grammar)):
            if isinstance(self._piece(token), str):
                content.append(self._reported(before, token, body["logprobs"]))
            before.append(token)
        return web.json_response({"choices": [{"text": "", "logprobs": {"content": content}}]})

    def _reported(self, before: list[int], token: int, listed: int) -> dict[str, Any]:
        ranked = sorted(
            ({"id": i, "logprob": self._log_prob(before, i)} for i in range(len(self._pieces))),
            key=lambda each: -each["logprob"],
        )
        value = 0.0 if self._after_grammar else self._log_prob(before, token)
        return {"id": token, "logprob": value, "top_logprobs": ranked[:listed]}
