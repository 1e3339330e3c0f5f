"""A stand-in of Cohere's API version 2: `chat` and `embed`, in the shape its package parses."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.servers.faults import Faults

KEY = "cohere-key-of-the-tests"
_MOST_TEXTS = 96


class CohereServer:
    """Answers `chat` with a text made of the conversation and the seed; `asked` keeps the bodies.

    `finish_reasons` are given in turn, the last one for ever. `answered` counts equal bodies that
    got a whole answer; `change` takes the place of fields of each answer.
    """

    def __init__(
        self,
        *,
        finish_reasons: tuple[str, ...] = ("COMPLETE",),
        faults: Faults | None = None,
        key: str = KEY,
        change: Mapping[str, Any] | None = None,
    ) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answered: Counter[str] = Counter()
        self._finish_reasons = list(finish_reasons)
        self._faults = faults
        self._key = key
        self._change = change or {}

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._faults.middleware] if self._faults else [])
        app.router.add_post("/v2/chat", self._chat)
        app.router.add_post("/v2/embed", self._embed)
        return app

    async def _body(self, request: web.Request) -> dict[str, Any]:
        if request.headers.get("Authorization") != f"Bearer {self._key}":
            said = request.headers.get("Authorization", "no token")
            raise web.HTTPUnauthorized(
                text=f'{{"message": "invalid api token: {said}"}}', content_type="application/json"
            )
        body: dict[str, Any] = await request.json()
        self.asked.append(body)
        return body

    async def _chat(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        if not 0.01 <= body["p"] <= 0.99 or not 0 <= body["seed"] < 2**64:
            return web.json_response({"id": "1", "message": "p or seed out of range"}, status=400)
        text = chat_text(body["messages"][-1]["content"], body["seed"])
        self.answered[text] += 1
        more = len(self._finish_reasons) > 1
        reason = self._finish_reasons.pop(0) if more else self._finish_reasons[0]
        return web.json_response(
            {
                "id": "c14c80c3-18eb-4519-9460-6c92edd8cfb4",
                "finish_reason": reason,
                "message": {"role": "assistant", "content": [{"type": "text", "text": text}]},
                "usage": {
                    "billed_units": {"input_tokens": 5, "output_tokens": 7},
                    "tokens": {"input_tokens": 71, "output_tokens": 8},
                },
                **self._change,
            }
        )

    async def _embed(self, request: web.Request) -> web.Response:
        body = await self._body(request)
        texts = body["texts"]
        if len(texts) > _MOST_TEXTS:
            return web.json_response({"id": "1", "message": "too many texts"}, status=400)
        return web.json_response(
            {
                "response_type": "embeddings_by_type",
                "id": "da6e531f-54c5-4a73-bf92-f60566d8d753",
                "embeddings": {"float": [vector(text) for text in texts]},
                "texts": texts,
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 2}},
                **self._change,
            }
        )


def chat_text(content: str, seed: int) -> str:
    """What the stand-in's model says."""
    return f"{content}, said seed {seed}"


def vector(text: str) -> list[float]:
    """The embedding of a text, dimension 4."""
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:4]]
