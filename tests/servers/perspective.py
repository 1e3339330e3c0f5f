"""A stand-in of the Perspective API: recorded real scores, a quota, a log of what was asked.

server = PerspectiveServer(recorded=data_dir / "perspective_recorded" / "scores.jsonl")
with serve(server.app()) as address:
    ...
assert server.scored["some text"] == 1
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, deque
from pathlib import Path
from time import monotonic
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.servers.faults import Faults

KEY = "perspective-key-of-the-tests"
_LONGEST_BYTES = 20_480


class PerspectiveServer:
    """Answers `comments:analyze` with the recorded scores, or with ones made from the text's hash.

    `quota` requests are answered in any second, the rest refused with 429; `latency` seconds pass
    before an answer. `arrivals` holds when each request came (monotonic seconds), `scored` how
    often each text was scored, `refused` how many requests were over the quota.
    """

    def __init__(
        self,
        recorded: Path | None = None,
        *,
        quota: int | None = None,
        latency: float = 0.0,
        faults: Faults | None = None,
        key: str | None = KEY,
    ) -> None:
        self.arrivals: list[float] = []
        self.scored: Counter[str] = Counter()
        self.refused = 0
        self._recorded = _read(recorded) if recorded else {}
        self._quota = quota
        self._latency = latency
        self._faults = faults
        self._key = key
        self._recent: deque[float] = deque()

    def app(self) -> web.Application:
        faults = [self._faults.middleware] if self._faults else []
        app = web.Application(middlewares=[self._receive(), *faults])
        app.router.add_post("/v1alpha1/comments:analyze", self._analyze)
        return app

    def _receive(self) -> Middleware:
        """Every request counts towards the quota, whatever becomes of it."""

        @web.middleware
        async def receive(request: web.Request, handler: Handler) -> web.StreamResponse:
            now = monotonic()
            self.arrivals.append(now)
            if not self._over_quota(now):
                return await handler(request)
            self.refused += 1
            return _error(429, "RESOURCE_EXHAUSTED", "Quota exceeded", headers={"Retry-After": "1"})

        return receive

    async def _analyze(self, request: web.Request) -> web.Response:
        if self._key and request.headers.get("x-goog-api-key") != self._key:
            return _error(
                400,
                "INVALID_ARGUMENT",
                "API key not valid. Please pass a valid API key.",
                {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"},
            )
        body = await request.json()
        if self._latency:
            await asyncio.sleep(self._latency)
        return self._answer(body)

    def _over_quota(self, now: float) -> bool:
        if self._quota is None:
            return False
        while self._recent and self._recent[0] <= now - 1.0:
            self._recent.popleft()
        if len(self._recent) >= self._quota:
            return True
        self._recent.append(now)
        return False

    def _answer(self, body: dict[str, Any]) -> web.Response:
        text = body["comment"]["text"]
        if body.get("doNotStore") is not True:
            return _error(400, "INVALID_ARGUMENT", "these tests want doNotStore")
        if not text.strip():
            return _refusal("COMMENT_EMPTY")
        if len(text.encode()) > _LONGEST_BYTES:
            return _refusal("COMMENT_TOO_LONG")
        if "þ" in text:
            return _refusal("LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")
        scores = self._recorded.get(text, {})
        self.scored[text] += 1
        return web.json_response(
            {
                "attributeScores": {
                    name: {
                        "spanScores": [],
                        "summaryScore": {
                            "value": scores.get(name, pseudo_score(text, name)),
                            "type": "PROBABILITY",
                        },
                    }
                    for name in body["requestedAttributes"]
                },
                "languages": ["en"],
                "detectedLanguages": ["en"],
            }
        )


def pseudo_score(text: str, attribute: str) -> float:
    """The score in [0, 1) of a text that was not recorded."""
    digest = hashlib.sha256(f"{attribute}\0{text}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def _read(recorded: Path) -> dict[str, dict[str, float]]:
    lines = recorded.read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {record.pop("text"): record for record in records}


def _refusal(error_type: str) -> web.Response:
    kind = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
    return _error(400, "INVALID_ARGUMENT", error_type, {"@type": kind, "errorType": error_type})


def _error(
    code: int,
    status: str,
    message: str,
    *details: dict[str, str],
    headers: dict[str, str] | None = None,
) -> web.Response:
    error = {"code": code, "message": message, "status": status, "details": list(details)}
    return web.json_response({"error": error}, status=code, headers=headers)
