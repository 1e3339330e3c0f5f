"""Weights on the Hub and in its cache, as safetensors and as pickles."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.model_files import find_model
from llmprof.errors import (
    BackendError,
    ModelNotFoundError,
)
from tests.backends.conftest import Ask
from tests.backends.huggingface.pickled_weights import (
    HUB_ID,
    allowed,
    answers,
    reads_pickles,
    to_pickle,
)


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


@pytest.fixture
def pickled(copy: Path) -> Path:
    return to_pickle(copy, "model.safetensors", "pytorch_model.bin")


@pytest.fixture
def hub_cache(pickled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Hub's cache that holds the pickled model; the commit that it is at."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = snapshot(tmp_path, commit)
    refs = folder.parents[1] / "refs"
    refs.mkdir(parents=True)
    (refs / "main").write_text(commit)
    shutil.copytree(pickled, folder)
    return commit


def snapshot(tmp_path: Path, commit: str) -> Path:
    """Where the Hub's cache has the model's files."""
    return tmp_path / "hub" / f"models--{HUB_ID.replace('/', '--')}" / "snapshots" / commit


def test_pickled_model_in_the_hubs_cache(
    hub_cache: str, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(allow_pickle: bool) -> Any:
        return find_model(
            HUB_ID, revision=None, offline=True, cache_dir=tmp_path, allow_pickle=allow_pickle
        )

    with pytest.raises(ModelNotFoundError, match="--allow-pickle"):
        find(allow_pickle=False)
    found = find(allow_pickle=True)
    assert found.identity == {
        "model": HUB_ID,
        "revision": hub_cache,
        "weights": "pytorch_model.bin",
    }
    shutil.copy(tiny_llama / "model.safetensors", snapshot(tmp_path, hub_cache))
    assert find(allow_pickle=True).identity == {"model": HUB_ID, "revision": hub_cache}


@pytest.mark.parametrize("safetensors", [pytest.param(False, marks=reads_pickles), True])
def test_model_in_the_hubs_cache_asks_nothing_of_the_network(
    hub_cache: str,
    ask: Ask,
    tiny_llama: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    safetensors: bool,
) -> None:
    """Of a pickle transformers would have a service on the Hub convert the weights."""
    asked: list[object] = []

    def no_network(*arguments: object, **settings: object) -> None:
        asked.append(arguments)
        raise OSError("there is no network")

    if safetensors:
        shutil.copy(tiny_llama / "model.safetensors", snapshot(tmp_path, hub_cache))
    monkeypatch.setattr("transformers.modeling_utils.has_file", no_network)
    monkeypatch.setattr("transformers.modeling_utils.auto_conversion", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    found = answers(ask, allowed(HUB_ID))
    assert found == answers(ask, BackendOptions(model=str(tiny_llama)))
    assert asked == []


def test_what_the_hubs_cache_lacks_is_asked_of_the_hub(
    hub_cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def no_network(*arguments: object, **settings: object) -> None:
        asked.append(arguments)
        raise OSError("there is no network")

    for file in snapshot(tmp_path, hub_cache).glob("tokenizer*"):
        file.unlink()
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    with pytest.raises(BackendError, match="cannot load the tokenizer"):
        LocalModel(BackendOptions(model=HUB_ID, allow_pickle=True, cache_dir=tmp_path))
    assert asked


@pytest.mark.parametrize(
    ("files", "allow", "expected"),
    [
        (["model.safetensors", "pytorch_model.bin"], True, "model.safetensors"),
        (["pytorch_model.bin"], True, "pytorch_model.bin"),
        (["pytorch_model.bin.index.json"], True, "pytorch_model.bin"),
        (["pytorch_model.bin"], False, "--allow-pickle"),
        (["pytorch_model.bin.index.json"], False, "--allow-pickle"),
        (["flax_model.msgpack"], True, "has no model.safetensors or pytorch_model.bin"),
        (["flax_model.msgpack"], False, "has no model.safetensors:"),
    ],
)
def test_weights_on_the_hub(
    files: list[str], allow: bool, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import HfApi, ModelInfo

    siblings = [{"rfilename": name} for name in files]
    info = ModelInfo(id=HUB_ID, sha="abc", siblings=siblings, private=False, tags=[])
    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: info)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    settings: dict[str, Any] = {"revision": None, "offline": False, "cache_dir": tmp_path}
    if expected in ("model.safetensors", "pytorch_model.bin"):
        assert find_model(HUB_ID, allow_pickle=allow, **settings).weights == expected
        return
    with pytest.raises(ModelNotFoundError, match=expected):
        find_model(HUB_ID, allow_pickle=allow, **settings)
