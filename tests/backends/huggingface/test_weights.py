"""Pickled weights: refused unless asked for, the same answers when asked for, and never obeyed."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.model import LocalModel
from llmprof.cli.start import main
from llmprof.errors import (
    BackendError,
    LlmprofError,
    MissingDependencyError,
    ModelNotFoundError,
    UsageError,
)
from tests.backends.conftest import Ask
from tests.backends.huggingface.pickled_weights import (
    allowed,
    answers,
    reads_pickles,
    to_pickle,
)
from tests.backends.huggingface.test_adapters import save_adapter
from tests.tiny_models import SENTENCES, save_classifier

pytestmark = reads_pickles


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


@pytest.fixture
def pickled(copy: Path) -> Path:
    return to_pickle(copy, "model.safetensors", "pytorch_model.bin")


@pytest.fixture(scope="module")
def adapter(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_adapter(tiny_llama, tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def pickled_adapter(adapter: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(adapter, tmp_path / "pickled_adapter"))
    return to_pickle(folder, "adapter_model.safetensors", "adapter_model.bin")


class Malicious:
    """Leaves a witness when it is unpickled by anything that obeys a pickle."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self._witness),)


def write_malicious(file: Path, witness: Path, weights: Mapping[str, Any] | None = None) -> None:
    import torch

    torch.save({**(weights or {}), "more": Malicious(witness)}, file)
    # It does what it says: without this, no test here would show anything.
    torch.load(file, weights_only=False)
    witness.rmdir()


@pytest.mark.parametrize("shards", [1, 2])
def test_answers_are_those_of_safetensors(
    tiny_llama: Path, copy: Path, ask: Ask, shards: int
) -> None:
    folder = to_pickle(copy, "model.safetensors", "pytorch_model.bin", shards)
    with pytest.raises(ModelNotFoundError, match="--allow-pickle") as caught:
        create_backend("huggingface", BackendOptions(model=str(folder)))
    assert "\n" not in str(caught.value)
    plain = answers(ask, BackendOptions(model=str(tiny_llama)))
    assert answers(ask, allowed(folder)) == plain


def test_adapters_answers_are_those_of_safetensors(
    tiny_llama: Path, adapter: Path, pickled_adapter: Path, ask: Ask
) -> None:
    model = str(tiny_llama)
    with pytest.raises(ModelNotFoundError, match="--allow-pickle"):
        create_backend("huggingface", BackendOptions(model=model, adapter=str(pickled_adapter)))
    plain = answers(ask, BackendOptions(model=model, adapter=str(adapter)))
    assert answers(ask, allowed(model, adapter=str(pickled_adapter))) == plain


def test_safetensors_are_read_where_both_are(
    tiny_llama: Path, copy: Path, adapter: Path, tmp_path: Path, ask: Ask
) -> None:
    both = Path(shutil.copytree(adapter, tmp_path / "both"))
    for file in (copy / "pytorch_model.bin", both / "adapter_model.bin"):
        file.write_bytes(b"not even a pickle")
    plain = BackendOptions(model=str(tiny_llama), adapter=str(adapter))
    asked = allowed(copy, adapter=str(both))
    assert answers(ask, asked) == answers(ask, plain)
    identity = create_backend("huggingface", asked).identity
    assert identity == create_backend("huggingface", plain).identity


@pytest.mark.parametrize("shards", [1, 2])
def test_identity_follows_every_pickle_that_is_read(copy: Path, shards: int) -> None:
    folder = to_pickle(copy, "model.safetensors", "pytorch_model.bin", shards)

    def identity() -> object:
        return LocalModel(allowed(folder, cache_dir=folder.parent)).identity

    before = identity()
    (folder / "training_args.bin").write_bytes(b"what training leaves behind is not read")
    assert identity() == before
    for file in sorted(folder.glob("pytorch_model*.bin")):
        content = file.read_bytes()
        file.write_bytes(content + b"\0")
        assert identity() != before
        file.write_bytes(content)
    assert identity() == before


def test_identity_follows_the_adapters_pickle(tiny_llama: Path, pickled_adapter: Path) -> None:
    def identity() -> object:
        return LocalModel(allowed(tiny_llama, adapter=str(pickled_adapter))).identity

    before = identity()
    file = pickled_adapter / "adapter_model.bin"
    file.write_bytes(file.read_bytes() + b"\0")
    assert identity() != before


def refused(options: BackendOptions) -> LlmprofError:
    with pytest.raises(LlmprofError) as caught:
        _ = LocalModel(options).network
    assert "\n" not in str(caught.value)
    return caught.value


def test_malicious_pickle_is_refused_and_runs_nothing(pickled: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    write_malicious(pickled / "pytorch_model.bin", witness)
    error = refused(allowed(pickled))
    assert isinstance(error, BackendError)
    assert f"torch refuses to read {pickled}/pytorch_model.bin" in str(error)
    assert f"asks for {os.mkdir.__module__}.mkdir" in str(error)
    assert not witness.exists()


def test_malicious_shard_is_refused_before_any_is_loaded(copy: Path, tmp_path: Path) -> None:
    folder = to_pickle(copy, "model.safetensors", "pytorch_model.bin", shards=2)
    last = folder / "pytorch_model-00002-of-00002.bin"
    write_malicious(last, tmp_path / "ran")
    assert str(last) in str(refused(allowed(folder)))
    assert not (tmp_path / "ran").exists()


def test_malicious_adapter_is_refused_and_runs_nothing(
    tiny_llama: Path, pickled_adapter: Path, tmp_path: Path
) -> None:
    write_malicious(pickled_adapter / "adapter_model.bin", tmp_path / "ran")
    error = refused(allowed(tiny_llama, adapter=str(pickled_adapter)))
    assert "torch refuses to read" in str(error)
    assert not (tmp_path / "ran").exists()


def test_environment_does_not_make_torch_obey(
    pickled: Path, tiny_llama: Path, pickled_adapter: Path, tmp_path: Path
) -> None:
    """The libraries' own calls, without the look that comes first, on torch's unsafe setting."""
    from peft.utils.save_and_load import load_peft_weights
    from transformers import AutoModelForCausalLM

    witness = tmp_path / "ran"
    write_malicious(pickled / "pytorch_model.bin", witness)
    write_malicious(pickled_adapter / "adapter_model.bin", witness)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
        with pytest.raises(pickle.UnpicklingError):
            AutoModelForCausalLM.from_pretrained(pickled, use_safetensors=False, weights_only=True)
        with pytest.raises(pickle.UnpicklingError):
            load_peft_weights(str(pickled_adapter), device="cpu")
        assert "torch refuses" in str(refused(allowed(pickled)))
    assert not witness.exists()


def test_torch_whose_unpickler_can_be_tricked_is_refused(
    pickled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torch.torch_version import TorchVersion

    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1"))
    error = refused(allowed(pickled))
    assert isinstance(error, MissingDependencyError) and "upgrade to torch 2.10" in str(error)


@pytest.mark.parametrize("content", [b"", b".", b"not even a pickle", pickle.dumps([1]), None])
def test_broken_pickles_are_one_clear_line(
    pickled: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    file = pickled / "pytorch_model.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert str(file) in str(refused(allowed(pickled)))
    assert capfd.readouterr().err == ""


def test_pickle_of_something_else_is_refused(pickled: Path) -> None:
    import torch

    torch.save([1, 2], pickled / "pytorch_model.bin")
    assert "holds a list and not weights" in str(refused(allowed(pickled)))


def test_missing_files_are_named(copy: Path) -> None:
    folder = to_pickle(copy, "model.safetensors", "pytorch_model.bin", shards=2)
    (folder / "pytorch_model-00001-of-00002.bin").unlink()
    with pytest.raises(ModelNotFoundError, match=r"lacks pytorch_model-00001-of-00002\.bin"):
        create_backend("huggingface", allowed(folder))
    (folder / "pytorch_model.bin.index.json").unlink()
    with pytest.raises(ModelNotFoundError, match=r"lacks model\.safetensors or pytorch_model\.bin"):
        create_backend("huggingface", allowed(folder))


def test_pickle_by_way_of_a_safetensors_index_is_refused(copy: Path) -> None:
    """transformers goes by a shard's name, and would read it without having been allowed to."""
    folder = to_pickle(copy, "model.safetensors", "pytorch_model.bin", shards=2)
    index = folder / "pytorch_model.bin.index.json"
    index.rename(folder / "model.safetensors.index.json")
    with pytest.raises(ModelNotFoundError, match=r"which is not a \.safetensors file"):
        create_backend("huggingface", BackendOptions(model=str(folder)))


def test_pickle_by_way_of_the_configuration_is_refused(copy: Path) -> None:
    config = copy / "config.json"
    named = {**json.loads(config.read_text()), "transformers_weights": "adapter_model.bin"}
    config.write_text(json.dumps(named))
    (copy / "adapter_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(UsageError, match=r"names adapter_model\.bin as its weights"):
        create_backend("huggingface", BackendOptions(model=str(copy), cache_dir=copy.parent))


@pytest.mark.parametrize("allow", [False, True])
def test_pickled_adapter_within_the_model_is_refused(
    copy: Path, pickled_adapter: Path, allow: bool
) -> None:
    for file in pickled_adapter.iterdir():
        shutil.copy(file, copy)
    asked = BackendOptions(model=str(copy), allow_pickle=allow)
    with pytest.raises(ModelNotFoundError, match="beside its weights"):
        create_backend("huggingface", asked)


RunLine = Callable[..., tuple[int, str]]


@pytest.fixture
def run_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunLine:
    """The exit code of a command line, and all that it wrote."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")  # Restored afterwards: `--offline` sets it.

    def run(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["llmprof", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit:
            main()
        written = capsys.readouterr()
        return int(exit.value.code or 0), written.out + written.err

    return run


def test_command_line_profiles_a_pickled_model(
    pickled: Path, tmp_path: Path, run_line: RunLine
) -> None:
    places = ("--db", tmp_path / "a.db", "--cache-dir", tmp_path / "cache", "--offline")
    what = ("--profilers", "crows_pairs", "--data", "builtin", "--limit", 2, "--dtype", "fp32")
    code, output = run_line("profile", pickled, *what, *places)
    assert (code, "--allow-pickle" in output) == (2, True)
    code, output = run_line("profile", pickled, *what, *places, "--allow-pickle")
    assert code == 0 and "complete" in output


def test_command_line_scores_with_a_pickled_classifier(tmp_path: Path, run_line: RunLine) -> None:
    scorer = save_classifier(tmp_path / "scorer", ["toxic", "neutral"])
    to_pickle(scorer, "model.safetensors", "pytorch_model.bin")
    texts = tmp_path / "texts.txt"
    texts.write_text("\n".join(SENTENCES))
    places = ("--db", tmp_path / "a.db", "--cache-dir", tmp_path / "cache", "--offline")
    what = ("score", texts, "--toxicity-model", scorer, *places)
    code, output = run_line(*what)
    assert (code, "--allow-pickle" in output) == (2, True)
    code, output = run_line(*what, "--allow-pickle")
    assert code == 0 and output.count("TOXICITY") == len(SENTENCES)
