"""Data from the Hub, over real HTTP: a stand-in on loopback speaks the Hub's download protocol."""

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from llmprof.datasets.downloads import HubFile
from llmprof.datasets.files import BUILTIN_DIR, DataFile
from llmprof.datasets.prompts import DOLLY, STRATEGYQA
from tests.cli.test_app import run
from tests.servers.files import FileServer, running

# Not as other tests in this process may have left it.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}


def table_of(file: DataFile) -> list[dict[str, object]]:
    """The built-in sample in the columns that the Hub's copy has."""
    text = (BUILTIN_DIR / file.path).read_text(encoding="utf-8")
    if file is DOLLY:
        texts = json.loads(text)["inputs"].values()
        english = [{"id": place, "inputs": text, "language": "eng"} for place, text in
                   enumerate(texts)]  # fmt: skip
        return [{"id": 0, "inputs": "Pourquoi ?", "language": "fra"}, *english]
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def hub() -> Iterator[FileServer]:
    files = {}
    for file in (DOLLY, STRATEGYQA):
        content = io.BytesIO()
        parquet.write_table(pa.Table.from_pylist(table_of(file)), content)
        where = online(file)
        files[f"/datasets/{where.repo}/resolve/{where.revision}/{where.path}"] = content.getvalue()
    with running(FileServer(files)) as server:
        yield server


def online(file: DataFile) -> HubFile:
    assert isinstance(file.online, HubFile)
    return file.online


def asked(hub: FileServer) -> list[str]:
    """The addresses of data, in order; the Hub's client asks about itself besides."""
    return [path for path in hub.paths if path.startswith("/datasets/")]


def profile(folder: Path, endpoint: str, *arguments: object) -> tuple[int, str]:
    done = run(
        *("profile", "--backend", "scripted", "--profilers", "textual", "--quiet"),
        *("--text-dataset", "strategyqa", "--metrics", "n_tokens", "--max-new-tokens", 4),
        *("--db", folder / "a.db", "--cache-dir", folder / "cache", *arguments),
        HF_ENDPOINT=endpoint,
        HF_HOME=str(folder / "hub"),
    )
    return done.returncode, done.stderr


LOAD = """
import dataclasses, json, sys
from llmprof.datasets import DataOptions, load_prompts
name, data = sys.argv[1:]
print(json.dumps(dataclasses.asdict(load_prompts(name, DataOptions(data=data)))))
"""


@pytest.mark.parametrize(("name", "file"), [("dolly200_test", DOLLY), ("strategyqa", STRATEGYQA)])
def test_hub_copy_gives_the_same_items_as_the_authors_file(
    hub: FileServer, tmp_path: Path, name: str, file: DataFile
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
    where = online(file)
    assert there["items"] == here["items"]
    assert there["source"] == f"hub:{where.repo}@{where.revision}/{where.path}"
    (content,) = (body for path, body in hub.files.items() if where.repo in path)
    assert there["sha256"] == hashlib.sha256(content).hexdigest()


def test_what_was_downloaded_is_read_without_a_network(hub: FileServer, tmp_path: Path) -> None:
    assert profile(tmp_path, hub.url) == (0, "")
    before = len(asked(hub))
    assert profile(tmp_path, hub.url, "--offline") == (0, "")
    assert len(asked(hub)) == before


def test_offline_asks_nothing_and_says_what_is_missing(hub: FileServer, tmp_path: Path) -> None:
    code, error = profile(tmp_path, hub.url, "--offline")
    assert code == 1
    assert "--offline" in error and "hf download --repo-type dataset" in error
    assert len(error.splitlines()) == 1
    assert hub.paths == []


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", None], ids=["no server", "no file"])
def test_hub_that_does_not_answer_is_one_clear_line(
    hub: FileServer, tmp_path: Path, endpoint: str | None
) -> None:
    hub.files.clear()
    code, error = profile(tmp_path, endpoint or hub.url)
    assert code == 1
    assert "--data-dir" in error and "--data builtin" in error
    assert len(error.splitlines()) == 1
    # Nothing is tried again that cannot succeed.
    assert len(asked(hub)) <= 1
