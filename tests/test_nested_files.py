"""Files that are nested too deeply or have endless keys are refused in one line, or not used."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.main import get_command

from llmprof.backends.huggingface.adapters import with_base
from llmprof.backends.huggingface.gguf import is_whole
from llmprof.backends.huggingface.weights import parameter_count, weight_files
from llmprof.backends.toxicity.label_schemes import read_scheme
from llmprof.backends.toxicity.recording import ScoreRecorder
from llmprof.cache.facts import recall
from llmprof.cli.app import app
from llmprof.errors import LlmprofError
from llmprof.jobs.bridge import read_bridge
from llmprof.jobs.gate import read_gate_file
from llmprof.jobs.training.recipe import read_recipe
from llmprof.options import BackendOptions

JSON = "[" * 100_000
TOML = "x = " + "[" * 100_000
READERS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "gates": ("a.toml", TOML, read_gate_file),
    "recipe": ("a.toml", TOML, read_recipe),
    "labels": ("a.toml", TOML, lambda path: read_scheme(path, "m", ("a",))),
    "configuration": (
        "a.toml",
        TOML,
        lambda path: get_command(app)(["profile", "--config", str(path)], standalone_mode=False),
    ),
    "index": (
        "model.safetensors.index.json",
        JSON,
        lambda path: weight_files(path.parent, "model.safetensors"),
    ),
    "adapter": (
        "adapter_config.json",
        JSON,
        lambda path: with_base(BackendOptions(model=str(path.parent))),
    ),
    "record": ("a.jsonl", JSON + "\n", lambda path: ScoreRecorder(path, {"a": None})),  # type: ignore[dict-item]
    "bridge": ("a.json", JSON, lambda path: read_bridge(path)),
}


@pytest.mark.parametrize("name", READERS)
def test_file_that_is_nested_too_deeply_is_one_line(name: str, tmp_path: Path) -> None:
    file, content, read = READERS[name]
    (tmp_path / file).write_text(content)
    with pytest.raises(LlmprofError) as caught:
        read(tmp_path / file)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("content", ["a" + ".a" * 100_000 + " = 1", "[a" + ".a" * 9_999 + "]"])
@pytest.mark.parametrize("name", [name for name in READERS if READERS[name][1] == TOML])
def test_a_key_of_too_many_parts_is_one_line(name: str, content: str, tmp_path: Path) -> None:
    file, _, read = READERS[name]
    (tmp_path / file).write_text(content)
    with pytest.raises(LlmprofError, match=r"more than 1,000 dots|larger than") as caught:
        read(tmp_path / file)
    assert len(str(caught.value).splitlines()) == 1


def test_a_header_of_weights_that_is_nested_too_deeply_counts_as_unknown(tmp_path: Path) -> None:
    header = b"[" * 100_000 + b"]" * 100_000
    content = struct.pack("<Q", len(header)) + header
    (tmp_path / "model.safetensors").write_bytes(content)
    assert parameter_count(tmp_path, "model.safetensors") is None


def test_notes_that_are_nested_too_deeply_count_as_absent(tmp_path: Path) -> None:
    for name in ("notes.json", "llmprof_files.json"):
        (tmp_path / name).write_text(JSON)
    assert recall(tmp_path / "notes.json", "a") is None
    assert not is_whole(tmp_path, tmp_path)
