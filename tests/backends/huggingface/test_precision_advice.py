"""The line about bf16: where the processor has AMX, and the user has not chosen."""

from pathlib import Path

import pytest

from llmprof.backends.huggingface import load_options
from llmprof.backends.huggingface.load_options import precision_advice


@pytest.fixture
def processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(load_options, "_PROCESSORS", file)
    monkeypatch.setattr(load_options, "best_device", lambda: "cpu")
    return file


def test_advice_is_for_processors_with_amx(processor: Path) -> None:
    assert precision_advice("auto", "auto") is None
    processor.write_text("processor : 0\nflags : fpu sse avx512_bf16\n")
    assert precision_advice("auto", "auto") is None
    processor.write_text("processor : 0\nflags : fpu sse amx_bf16 amx_tile\n")
    advice = precision_advice("auto", "auto")
    assert advice is not None and "--dtype bf16" in advice
    assert precision_advice("auto", "cpu") == precision_advice("auto", "cpu:2") == advice


def test_no_advice_to_who_has_chosen_or_has_a_gpu(
    processor: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor.write_text("flags : amx_bf16\n")
    assert precision_advice("fp32", "cpu") is None
    assert precision_advice("bf16", "auto") is None
    assert precision_advice("auto", "cuda:1") is None
    monkeypatch.setattr(load_options, "best_device", lambda: "cuda")
    assert precision_advice("auto", "auto") is None
