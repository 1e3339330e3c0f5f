"""A server that refuses everything: its words are told and kept, and no result is lost."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from tests.servers.openai import OpenAIServer
from tests.servers.running import serve

PROMPTS = 300
WORDS = "The account of ACME is suspended until \x1b[31mfurther notice."
SHOWN = "The account of ACME is suspended until \\x1b[31mfurther notice."


class Moody:
    """Answers requests that contain `liked`, and refuses all others, with `status`."""

    def __init__(self) -> None:
        self.liked = "Say "
        self.status = 400
        self.refusals = 0
        self._inner = OpenAIServer().app()
        self._inner.middlewares.append(self._refuse)

    def app(self) -> web.Application:
        return self._inner

    @web.middleware
    async def _refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "POST" and self.liked not in await request.text():
            self.refusals += 1
            answer = {"error": {"message": WORDS, "request": self.refusals}}
            return web.json_response(answer, status=self.status)
        return await handler(request)


def llmprof(*arguments: object) -> subprocess.CompletedProcess[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("LLMPROF_")}
    return subprocess.run(
        [sys.executable, "-m", "llmprof", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=kept,
    )


def line(folder: Path, address: str) -> tuple[object, ...]:
    return (
        *("profile", "toy", "--backend", "openai", "--base-url", f"{address}/v1", "--quiet"),
        *("--profilers", "textual,refusal", "--metrics", "n_characters", "--data", "builtin"),
        *("--text-dataset", folder / "prompts.txt", "--concurrency", 8),
        *("--db", folder / "a.db", "--cache-dir", folder / "cache"),
    )


def rows(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "a.db")) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def half_done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Moody, str]]:
    """A run whose first profile is stored and whose second was refused; the cache is lost."""
    folder, server = tmp_path_factory.mktemp("refusing"), Moody()
    texts = "\n".join(f"Say {number}." for number in range(PROMPTS))
    (folder / "prompts.txt").write_text(texts)
    with serve(server.app()) as address:
        done = llmprof(*line(folder, address))
        assert done.returncode == 1, done.stderr
        shutil.rmtree(folder / "cache")
        yield folder, server, address


@pytest.mark.parametrize("status", [400, 403])
def test_refusals_are_told_kept_and_end_the_run_early(
    half_done: tuple[Path, Moody, str], status: int
) -> None:
    folder, server, address = half_done
    stored = "SELECT * FROM samples ORDER BY id"
    before, metrics = rows(folder, stored), rows(folder, "SELECT * FROM metrics ORDER BY 2, 5, 6")
    assert len(before) >= PROMPTS
    server.liked, server.status, server.refusals = "nothing at all", status, 0

    done = llmprof(*line(folder, address))
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("llmprof: error: ")
    assert SHOWN in done.stderr
    # A hundred alike are enough; eight more were on their way, and a few ask what is there.
    assert server.refusals <= 125

    # The same run, failed, with its earlier results whole.
    assert rows(folder, stored) == before
    assert rows(folder, "SELECT * FROM metrics ORDER BY 2, 5, 6") == metrics
    ((run_id, state, error),) = rows(folder, "SELECT id, status, error FROM runs")
    assert state == "failed"
    assert WORDS in str(error)

    shown = llmprof("runs", "show", run_id, "--db", folder / "a.db")
    assert shown.returncode == 0, shown.stderr
    assert SHOWN in " ".join(shown.stdout.split())
    assert "\x1b" not in shown.stdout
