"""Pickled weights: refused unless asked for, the same answers when asked for, and never obeyed."""

import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.model_files import find_model
from llmprof.cli.app import main
from llmprof.errors import (
    BackendError,
    LlmprofError,
    MissingDependencyError,
    ModelNotFoundError,
    UsageError,
)
from llmprof.requests import LogLikelihood
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.backends.huggingface.test_adapters import save_adapter
from tests.tiny_models import SENTENCES, save_classifier

pytestmark = pytest.mark.skipif(
    Version(version("torch")) < Version("2.10"), reason="older torch reads no pickle here"
)
REQUESTS = [LogLikelihood(SENTENCES[0], " She was good."), LogLikelihood("The", " men were known")]
HUB_ID = "someone/some-model"


def to_pickle(folder: Path, safetensors: str, name: str, shards: int = 1) -> Path:
    """Replace the safetensors of `folder` by the same weights in `shards` pickles."""
    import torch
    from safetensors.torch import load_file

    weights = load_file(folder / safetensors)
    (folder / safetensors).unlink()
    if shards == 1:
        torch.save(weights, folder / name)
        return folder
    places: dict[str, str] = {}
    for number in range(shards):
        file = f"{Path(name).stem}-{number + 1:05d}-of-{shards:05d}.bin"
        part = dict(list(weights.items())[number::shards])
        torch.save(part, folder / file)
        places |= dict.fromkeys(part, file)
    (folder / f"{name}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return folder


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


def allowed(model: Path | str, **changes: Any) -> BackendOptions:
    return BackendOptions(model=str(model), allow_pickle=True, **changes)


def answers(ask: Ask, options: BackendOptions) -> list[tuple[float, ...]]:
    found = ask(create_backend("huggingface", options), REQUESTS)
    assert all(isinstance(each, TokenLogProbs) for each in found)
    return [tuple(each.per_token) for each in found if isinstance(each, TokenLogProbs)]


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


@pytest.mark.parametrize("safetensors", [False, True])
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
