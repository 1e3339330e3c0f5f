"""A stand-in of OpenAI's moderation endpoint: scores that are made from the text's hash."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aiohttp import web

from llmprof.backends.toxicity.moderation import CATEGORIES
from tests.servers.perspective import pseudo_score

KEY = "openai-key-of-the-tests"


class ModerationServer:
    """Answers `moderations`; `scored` counts how often each text was scored."""

    def __init__(self, lacks: tuple[str, ...] = ()) -> None:
        self.scored: Counter[str] = Counter()
        self._lacks = lacks

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/moderations", self._moderate)
        return app

    async def _moderate(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            error = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
            return web.json_response(error, status=401)
        body: dict[str, Any] = await request.json()
        text = body["input"]
        self.scored[text] += 1
        scores = {
            name: None if name in self._lacks else pseudo_score(text, name) for name in CATEGORIES
        }
        flags = {name: value is not None and value >= 0.5 for name, value in scores.items()}
        result = {"flagged": any(flags.values()), "categories": flags, "category_scores": scores}
        model = "omni-moderation-2024-09-26"
        return web.json_response({"id": "modr-1", "model": model, "results": [result]})
