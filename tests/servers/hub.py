"""A stand-in of the Hub: one model repository, its files, commits and pull requests.

hub = HubServer({"README.md": "# A model"})
with serve(hub.app()) as address:
    ...  # with HF_ENDPOINT=address
assert hub.commits[0].files["README.md"].startswith("---")
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from aiohttp import web

REPOSITORY = "owner/model"
TOKEN = "hf_token_of_the_tests"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Commit:
    """What a client committed: the subject, the files, and the commit that it came after."""

    summary: str
    files: dict[str, str]
    parent: str | None
    pull_request: bool


class HubServer:
    """Answers what `huggingface_hub` asks to read a model card and to commit a file.

    Committing is answered with `refusal`, a status, where there is one.
    """

    def __init__(self, files: dict[str, str], refusal: int | None = None) -> None:
        self.files = files
        self.commits: list[Commit] = []
        self.requests: list[str] = []
        self._refusal = refusal

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._check])
        api = "/api/models/{repository:[^/]+/[^/]+}"
        app.router.add_get(api, self._info)
        app.router.add_get("/{repository:[^/]+/[^/]+}/resolve/{revision}/{file:.+}", self._file)
        app.router.add_post("/api/validate-yaml", self._validate)
        app.router.add_post(api + "/preupload/{revision}", self._preupload)
        app.router.add_post(api + "/commit/{revision}", self._commit)
        return app

    @web.middleware
    async def _check(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": "Invalid credentials"}, status=401)
        if request.match_info.get("repository", REPOSITORY) != REPOSITORY:
            return _refused(404, "RepoNotFound")
        response: web.StreamResponse = await handler(request)
        return response

    async def _info(self, request: web.Request) -> web.Response:
        siblings = [{"rfilename": name} for name in self.files]
        return web.json_response({"id": REPOSITORY, "sha": COMMIT, "siblings": siblings})

    async def _file(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["file"])
        if content is None:
            return _refused(404, "EntryNotFound")
        etag = hashlib.sha256(content.encode()).hexdigest()
        headers = {"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'}
        return web.Response(text=content, headers=headers)

    async def _validate(self, request: web.Request) -> web.Response:
        return web.json_response({"errors": [], "warnings": []})

    async def _preupload(self, request: web.Request) -> web.Response:
        files = (await request.json())["files"]
        modes = [
            {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in files
        ]
        return web.json_response({"files": modes})

    async def _commit(self, request: web.Request) -> web.Response:
        if self._refusal is not None:
            return _refused(self._refusal, "")
        lines = [json.loads(line) for line in (await request.text()).splitlines()]
        header = next(each["value"] for each in lines if each["key"] == "header")
        files = {
            each["value"]["path"]: base64.b64decode(each["value"]["content"]).decode()
            for each in lines
            if each["key"] == "file"
        }
        pull_request = request.query.get("create_pr") == "1"
        parent = header.get("parentCommit")
        self.commits.append(Commit(header["summary"], files, parent, pull_request))
        url = f"http://{request.host}/{REPOSITORY}"
        answer = {"commitUrl": f"{url}/commit/{COMMIT}", "commitOid": COMMIT}
        if pull_request:
            answer["pullRequestUrl"] = f"{url}/discussions/1"
        return web.json_response({"success": True, **answer})


def _refused(status: int, code: str) -> web.Response:
    headers = {"X-Error-Code": code} if code else {}
    return web.json_response({"error": "refused"}, status=status, headers=headers)
