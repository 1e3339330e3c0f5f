"""The device is the one that torch would choose, though torch is not always asked."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from llmprof.backends.huggingface import load_options


@pytest.fixture
def wanted() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def test_agrees_with_torch(wanted: str) -> None:
    assert load_options.best_device() == wanted


@pytest.mark.parametrize("build", ["2.13.0", "2.13.0+cu130", "2.13.0+rocm6.4"])
@pytest.mark.parametrize("driver", [True, False])
def test_agrees_with_torch_whatever_the_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wanted: str, build: str, driver: bool
) -> None:
    monkeypatch.setattr(load_options, "version", lambda package: build)
    monkeypatch.setattr(load_options, "_AMD_DRIVER", tmp_path if driver else tmp_path / "none")
    assert load_options.best_device() == wanted


def test_a_gpu_that_torch_sees_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(load_options, "version", lambda package: "2.13.0")
    monkeypatch.setattr(load_options, "_AMD_DRIVER", tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert load_options.best_device() == "cuda"
