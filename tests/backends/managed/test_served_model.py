"""Models behind servers that llmprof starts: commands, identities, what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.managed.program import engine_of, filled, words_of
from llmprof.backends.managed.served_model import ServedModel
from llmprof.errors import BackendError, LlmprofError, UsageError
from llmprof.requests import Embed, Generate, LogLikelihood, Request, Sampling
from llmprof.responses import Completion, TokenLogProbs
from tests.backends.asking import MemorySink, ask
from tests.servers import program


@pytest.fixture
def vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program called vllm, on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    file = folder / "vllm"
    file.write_text(f'#!/bin/sh\nexec {sys.executable} {program.__file__} "$@"\n')
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return file


def served(tiny_llama: Path, tmp_path: Path, name: str = "vllm", **options: Any) -> ServedModel:
    given = {"model": str(tiny_llama), "cache_dir": tmp_path / "cache", "server_wait": 60.0}
    backend = create_backend(name, BackendOptions(**{**given, **options}))
    assert isinstance(backend, ServedModel)
    return backend


def test_vllm_is_started_asked_and_stopped(vllm: Path, tiny_llama: Path, tmp_path: Path) -> None:
    backend = served(tiny_llama, tmp_path, dtype="bf16", tensor_parallel_size=2, executor="ray")
    assert backend.capabilities == {Generate, LogLikelihood, Embed}
    requests: list[Request] = [
        Generate("The capital", Sampling(max_new_tokens=4)),
        LogLikelihood("The quick", " brown fox"),
    ]
    text, score = ask(backend, requests, MemorySink())
    assert isinstance(text, Completion) and isinstance(score, TokenLogProbs)
    words = " ".join(backend._engine.words)
    assert f"serve {tiny_llama} --host 127.0.0.1 --port {{port}}" in words
    assert "--dtype bfloat16 --generation-config vllm" in words
    assert words.endswith("--tensor-parallel-size 2 --distributed-executor-backend ray")
    assert not backend._server.is_running


def test_identity_holds_model_engine_and_version_but_no_device(
    vllm: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    one = served(tiny_llama, tmp_path, dtype="bf16")
    assert one.identity["backend"] == one.identity["engine"] == "vllm"
    assert one.identity["version"] == "0.33.0"
    assert one.identity["dtype"] == "bf16"
    assert len(str(one.identity["fingerprint"])) == 64
    two = served(tiny_llama, tmp_path, dtype="bf16", data_parallel_size=2, server_wait=5.0)
    assert two.identity == one.identity
    for changed in ({"dtype": "fp16"}, {"dtype": "bf16", "quantize": "4bit"}):
        assert served(tiny_llama, tmp_path, **changed).identity != one.identity


def test_what_a_server_offers_is_remembered_so_that_it_need_not_start(
    vllm: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served(tiny_llama, tmp_path)
    offered = first.capabilities
    first._server.stop()
    monkeypatch.setenv("STAND_IN_FAULT", "crash")
    again = served(tiny_llama, tmp_path)
    assert again.capabilities == offered
    with pytest.raises(BackendError, match="RuntimeError: no GPU has 80 GiB"):
        ask(again, [Generate("a", Sampling())], MemorySink())


def test_server_that_dies_in_the_middle_is_told_and_answers_are_kept(
    vllm: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "dies:9")
    sink = MemorySink()
    backend = served(tiny_llama, tmp_path, concurrency=1)
    asked = [Generate(f"number {place}", Sampling()) for place in range(50)]
    with pytest.raises(BackendError) as told:
        ask(backend, asked, sink)
    assert "vllm ended in the middle of the work (exit code 137): CUDA error: an illegal" in str(
        told.value
    )
    assert str(told.value).endswith("; run the same command to resume")
    assert 0 < len(sink.delivered) < 50


@pytest.mark.slow
def test_server_that_dies_of_the_first_question_is_told(
    vllm: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_FAULT", "dies:0")
    backend = served(tiny_llama, tmp_path)
    with pytest.raises(BackendError, match=r"ended when it was asked what it can do .*CUDA error"):
        _ = backend.capabilities


def test_second_server_stops_the_idle_first(vllm: Path, tiny_llama: Path, tmp_path: Path) -> None:
    one = served(tiny_llama, tmp_path)
    two = served(tiny_llama, tmp_path, dtype="bf16")
    assert one.capabilities == two.capabilities
    assert (one._server.is_running, two._server.is_running) == (False, True)
    (answer,) = ask(one, [Generate("a", Sampling())], MemorySink())
    assert isinstance(answer, Completion)
    assert not two._server.is_running


def test_any_program_is_started_by_its_command(tiny_llama: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} {program.__file__} serve {{model}} --port {{port}}"
    backend = served(tiny_llama, tmp_path, "openai", server_command=command)
    assert backend.identity["engine"] == Path(sys.executable).name
    assert backend.identity["arguments"][-4:] == ["serve", "{model}", "--port", "{port}"]
    (answer,) = ask(backend, [Generate("a", Sampling())], MemorySink())
    assert isinstance(answer, Completion)


def test_only_servers_that_sampled_in_their_own_way_are_asked_again(
    vllm: Path, tiny_llama: Path, tmp_path: Path
) -> None:
    command = f"{sys.executable} {program.__file__} serve {{model}} --port {{port}}"
    own = served(tiny_llama, tmp_path, "openai", server_command=command)
    assert own.corrections(Generate("a"))
    assert not own.corrections(LogLikelihood("a", "b"))
    # It was always started without the checkpoint's sampling parameters.
    assert not served(tiny_llama, tmp_path).corrections(Generate("a"))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("openai", {"server_command": "serve {model}"}, "lacks {port}"),
        ("openai", {"server_command": "serve --port {port}"}, "lacks {model}"),
        ("openai", {"server_command": " "}, "is empty"),
        ("openai", {"server_command": "serve '{model} {port}"}, "No closing quotation"),
        ("openai", {"server_command": "no-such {model} {port}"}, "no program 'no-such'"),
        ("openai", {"server_command": "sh {gguf} {port}"}, "is no GGUF file"),
        ("openai", {"server_command": "sh", "base_url": "http://localhost"}, "give one of them"),
        ("openai", {"base_url": "http://localhost", "server_wait": 3.0}, "remove it"),
        ("vllm", {"server_command": "no-such serve"}, "no program 'no-such'"),
        ("vllm", {"server_command": "env no-such serve"}, "no-such --version fails"),
        ("vllm", {"quantize": "8bit"}, "use --quantize 4bit"),
    ],
)
def test_command_that_cannot_work_is_one_line_before_any_work(
    tiny_llama: Path, tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(LlmprofError) as told:
        served(tiny_llama, tmp_path, name, **options)
    assert words in str(told.value) and "\n" not in str(told.value)


def test_without_vllm_the_user_hears_how_to_get_it(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="no program 'vllm' on PATH; install vLLM"):
        served(tiny_llama, tmp_path)


def test_engine_is_the_package_of_an_installed_command() -> None:
    from importlib.metadata import version

    command = str(Path(sys.executable).with_name("transformers"))
    assert engine_of([command]) == {
        "engine": "transformers",
        "version": version("transformers"),
    }


def test_only_placeholders_are_filled() -> None:
    words = words_of("""serve {model} --json '{"a": {port}}' """)
    assert filled(words, {"{model}": "a b", "{port}": "7"}) == [
        "serve", "a b", "--json", '{"a": 7}',
    ]  # fmt: skip
