"""Serves files by their path, as the Hub and GitHub do."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class FileServer(ThreadingHTTPServer):
    """`files` by path, which has the commit; `paths` are those that were asked for, in order.

    Of each body, `missing_bytes` at its end are not sent. An answer takes `seconds`; `at_once` is
    how many requests there were at the same time, at most.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.paths: list[str] = []
        self.missing_bytes = 0
        self.seconds = 0.0
        self.at_once = 0
        self._now = 0
        self._counting = threading.Lock()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts a request while it is answered."""
        with self._counting:
            self._now += 1
            self.at_once = max(self.at_once, self._now)
        time.sleep(self.seconds)
        yield
        with self._counting:
            self._now -= 1

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_HEAD(self) -> None:
        self._respond(body=False)

    def do_GET(self) -> None:
        self._respond(body=True)

    def _respond(self, *, body: bool) -> None:
        with self.server.counted():
            self._answer(body=body)

    def _answer(self, *, body: bool) -> None:
        path = unquote(self.path)
        self.server.paths.append(path)
        content = self.server.files.get(path)
        self.send_response(404 if content is None else 200)
        if content is not None:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            commit = re.search("[0-9a-f]{40}", path)
            assert commit
            self.send_header("X-Repo-Commit", commit.group())
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body and content:
            self.wfile.write(content[: len(content) - self.server.missing_bytes])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running(server: FileServer) -> Iterator[FileServer]:
    """The server, while it answers from a thread of its own."""
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
