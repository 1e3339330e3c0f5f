"""Data from the Hub, over real HTTP: a stand-in on loopback speaks the Hub's download protocol."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from llmprof.datasets.crows_pairs import BIAS_TYPES, DIRECTIONS
from llmprof.datasets.crows_pairs import FILE as CROWS_PAIRS
from llmprof.datasets.files import BUILTIN_DIR, DataFile
from llmprof.datasets.prompts import DOLLY, STRATEGYQA
from tests.cli.test_app import run

COMMIT = "a" * 40
# Not as other tests in this process may have left it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}


def table_of(file: DataFile) -> list[dict[str, object]]:
    """The built-in sample in the columns that the Hub's copy has."""
    text = (BUILTIN_DIR / file.path).read_text(encoding="utf-8")
    if file is CROWS_PAIRS:
        return [
            {
                "id": int(row[""]),
                "sent_more": row["sent_more"],
                "sent_less": row["sent_less"],
                "stereo_antistereo": DIRECTIONS.index(row["stereo_antistereo"]),
                "bias_type": BIAS_TYPES.index(row["bias_type"]),
            }
            for row in csv.DictReader(io.StringIO(text))
        ]
    if file is DOLLY:
        texts = json.loads(text)["inputs"].values()
        english = [{"id": place, "inputs": text, "language": "eng"} for place, text in
                   enumerate(texts)]  # fmt: skip
        return [{"id": 0, "inputs": "Pourquoi ?", "language": "fra"}, *english]
    return [json.loads(line) for line in text.splitlines()]


class Hub(ThreadingHTTPServer):
    """Serves files by their address on the Hub."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.paths: list[str] = []

    @property
    def asked(self) -> list[str]:
        """The addresses of data, in order; the client asks about itself besides."""
        return [path for path in self.paths if path.startswith("/datasets/")]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._respond(body=False)

    def do_GET(self) -> None:
        self._respond(body=True)

    def _respond(self, *, body: bool) -> None:
        path = self.path.replace("%2F", "/")
        self.server.paths.append(path)
        content = self.server.files.get(path)
        self.send_response(404 if content is None else 200)
        if content is not None:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body and content:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    files = {}
    for file in (CROWS_PAIRS, DOLLY, STRATEGYQA):
        content = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(table_of(file)), content)
        assert file.hub
        where = f"/datasets/{file.hub.repo}/resolve/{file.hub.revision}/{file.hub.path}"
        files[where] = content.getvalue()
    with Hub(files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def profile(folder: Path, endpoint: str, *arguments: object) -> tuple[int, str]:
    done = run(
        *("profile", "--backend", "scripted", "--profilers", "crows_pairs", "--quiet"),
        *("--db", folder / "a.db", "--cache-dir", folder / "cache", *arguments),
        HF_ENDPOINT=endpoint,
        HF_HOME=str(folder / "hub"),
    )
    return done.returncode, done.stderr


LOAD = """
import dataclasses, json, sys
from llmprof.datasets import DataOptions, load_crows_pairs, load_prompts
name, data = sys.argv[1:]
load = load_crows_pairs if name == "crows_pairs" else lambda options: load_prompts(name, options)
print(json.dumps(dataclasses.asdict(load(DataOptions(data=data)))))
"""


@pytest.mark.parametrize(
    ("name", "file"),
    [("crows_pairs", CROWS_PAIRS), ("dolly200_test", DOLLY), ("strategyqa", STRATEGYQA)],
)
def test_hub_copy_gives_the_same_items_as_the_authors_file(
    hub: Hub, tmp_path: Path, name: str, file: DataFile
) -> None:
    def load(data: str) -> dict[str, object]:
        # In a process of its own: the Hub's client reads its address once, when it is imported.
        done = subprocess.run(
            [sys.executable, "-c", LOAD, name, data],
            env={**ENVIRONMENT, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    there, here = load("hub"), load("builtin")
    assert file.hub
    assert there["items"] == here["items"]
    assert there["source"] == f"hub:{file.hub.repo}@{COMMIT}/{file.hub.path}"
    (content,) = (body for path, body in hub.files.items() if path.endswith(file.hub.path))
    assert there["sha256"] == hashlib.sha256(content).hexdigest()


def test_what_was_downloaded_is_read_without_a_network(hub: Hub, tmp_path: Path) -> None:
    assert profile(tmp_path, hub.url) == (0, "")
    asked = len(hub.asked)
    assert profile(tmp_path, hub.url, "--offline") == (0, "")
    assert len(hub.asked) == asked


def test_offline_asks_nothing_and_says_what_is_missing(hub: Hub, tmp_path: Path) -> None:
    code, error = profile(tmp_path, hub.url, "--offline")
    assert code == 1
    assert "--offline" in error and "hf download --repo-type dataset" in error
    assert len(error.splitlines()) == 1
    assert hub.paths == []


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", None], ids=["no server", "no file"])
def test_hub_that_does_not_answer_is_one_clear_line(
    hub: Hub, tmp_path: Path, endpoint: str | None
) -> None:
    hub.files.clear()
    code, error = profile(tmp_path, endpoint or hub.url)
    assert code == 1
    assert "--data-dir" in error and "--data builtin" in error
    assert len(error.splitlines()) == 1
    # Nothing is tried again that cannot succeed.
    assert len(hub.asked) <= 1
