"""The OpenAI backend on the real small model: `transformers serve`, and log-probabilities."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.openai import OpenAIBackend
from llmprof.requests import Generate, LogLikelihood, Message, Request, Sampling
from llmprof.responses import Completion, TokenLogProbs
from tests.backends.asking import MemorySink, ask
from tests.servers.openai import OpenAIServer
from tests.servers.real_scorer import real_scorer
from tests.servers.running import serve

pytestmark = pytest.mark.slow

_START_SECONDS = 300


@pytest.fixture(scope="module")
def model_folder(cache_dir: Path) -> Path:
    """The default model, as a folder that transformers loads."""
    (folder,) = (path for path in (cache_dir / "models").iterdir() if path.is_dir())
    return folder


@pytest.fixture(scope="module")
def transformers_serve(model_folder: Path) -> Iterator[str]:
    """The address of a real server of the small model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [Path(sys.executable).with_name("transformers"), "serve", model_folder]
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(_START_SECONDS):
            assert process.poll() is None, "transformers serve has ended"
            try:
                httpx.get(f"{address}/v1/models")
                break
            except httpx.TransportError:
                time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def test_real_server_gives_the_texts_of_the_model(
    transformers_serve: str, model_folder: Path
) -> None:
    greedy = Sampling(max_new_tokens=8)
    requests: list[Request] = [
        Generate("The capital of France is", greedy),
        Generate((Message("user", "Name a colour."),), greedy),
    ]
    served = OpenAIBackend(BackendOptions(base_url=f"{transformers_serve}/v1"))
    local = HuggingFaceBackend(
        BackendOptions(model=str(model_folder), dtype="fp32", device="cpu", offline=True)
    )
    assert served.model == str(model_folder)
    assert served.capabilities == {Generate}
    theirs = ask(served, requests, MemorySink())
    ours = ask(local, requests, MemorySink())
    for mine, other in zip(ours, theirs, strict=True):
        assert isinstance(mine, Completion)
        assert isinstance(other, Completion)
        assert other.text == mine.text != ""


def test_profile_that_the_real_server_cannot_serve_is_refused(
    transformers_serve: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "llmprof", "profile", "--backend", "openai"),
            *("--base-url", f"{transformers_serve}/v1", "--profilers", "crows_pairs"),
            *("--data", "builtin", "--offline", "--db", str(tmp_path / "a.db")),
            *("--cache-dir", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "backend 'openai' cannot serve profiler 'crows_pairs'; it can serve:" in done.stderr
    assert "textual" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_echoed_log_likelihoods_are_those_of_the_local_backend(model_folder: Path) -> None:
    requests: list[Request] = [
        LogLikelihood("", "The doctor said that she was late."),
        LogLikelihood("The capital of France is", " Paris."),
        LogLikelihood("The capital of France is ", "Paris."),
        LogLikelihood("Question: 2 + 2?\nAnswer:", " 4"),
        LogLikelihood("Er wohnt in Mün", "chen: seit 1999 🙂."),
    ]
    options = BackendOptions(model=str(model_folder), dtype="fp32", device="cpu", offline=True)
    local = HuggingFaceBackend(options)
    expected = ask(local, requests, MemorySink())
    server = OpenAIServer(scorer=real_scorer(model_folder), models=("smol",))
    with serve(server.app()) as address:
        # SmolLM2's tokenizer puts nothing before a text; its own beginning is this token.
        remote = OpenAIBackend(BackendOptions(base_url=f"{address}/v1", bos_token="<|im_start|>"))
        outcomes = ask(remote, requests, MemorySink())
    for mine, theirs in zip(expected, outcomes, strict=True):
        assert isinstance(mine, TokenLogProbs)
        assert isinstance(theirs, TokenLogProbs)
        assert theirs.per_token == pytest.approx(mine.per_token, abs=1e-3)
        assert theirs.is_greedy == mine.is_greedy
