"""What a local model is, how precisely it computes, and what is refused before it is loaded."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.backends.huggingface.model import LocalModel
from llmprof.errors import (
    BackendError,
    LlmprofError,
    MissingDependencyError,
    ModelNotFoundError,
    UnknownNameError,
    UsageError,
)
from llmprof.requests import Embed, Generate, LogLikelihood
from llmprof.responses import TokenLogProbs
from tests.backends.conftest import Ask
from tests.tiny_models import FLOAT32_NOISE, save_llama


@pytest.fixture
def copy(tiny_llama: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that a test may break."""
    return Path(shutil.copytree(tiny_llama, tmp_path / "copy"))


def options(folder: Path, **changes: object) -> BackendOptions:
    return replace(BackendOptions(model=str(folder), cache_dir=folder.parent), **changes)  # type: ignore[arg-type]


def change_config(folder: Path, **changes: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"dtype": "int8"}, UnknownNameError, "unknown dtype 'int8'; choose one of: auto, fp32"),
        ({"quantize": "3bit"}, UnknownNameError, "choose one of: none, 8bit, 4bit"),
        ({"device": "tpu"}, UnknownNameError, "unknown device 'tpu'"),
        ({"device": "cuda:x"}, UnknownNameError, "unknown device 'cuda:x'"),
        ({"device_map": "all"}, UnknownNameError, "choose one of: auto, balanced"),
        ({"device": "cuda:99"}, UsageError, "torch sees . CUDA devices"),
        ({"device": "cpu", "device_map": "auto"}, UsageError, "contradict each other"),
        ({"revision": "main"}, UsageError, "is for models of the Hub"),
        ({"adapter": "/no/such/adapter"}, ModelNotFoundError, "no adapter folder"),
    ],
)
def test_impossible_options_are_one_clear_line(
    tiny_llama: Path, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        create_backend("huggingface", options(tiny_llama, **changes))
    assert "\n" not in str(caught.value)


def test_identity_follows_the_files_and_not_the_folder(tiny_llama: Path, copy: Path) -> None:
    original = create_backend("huggingface", options(tiny_llama)).identity
    assert create_backend("huggingface", options(copy)).identity == original
    (copy / "README.md").write_text("about")
    (copy / "pytorch_model.bin").write_bytes(b"a pickle beside the weights is never read")
    assert create_backend("huggingface", options(copy)).identity == original


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_identity_changes_with_each_file_that_is_read(copy: Path, name: str) -> None:
    before = LocalModel(options(copy)).identity
    file = copy / name
    content = file.read_bytes()
    file.write_bytes(content.replace(b"}", b" }", 1))
    assert LocalModel(options(copy)).identity != before
    file.write_bytes(content)
    assert LocalModel(options(copy)).identity == before


def test_identity_changes_with_precision_and_not_with_device_or_batch(tiny_llama: Path) -> None:
    def identity(**changes: object) -> object:
        return create_backend("huggingface", options(tiny_llama, **changes)).identity

    same = [identity(), identity(dtype="fp32"), identity(device="cpu"), identity(batch_size=3)]
    assert same == [same[0]] * 4
    assert identity(trust_remote_code=True) == same[0]
    different = [identity(dtype=name) for name in ("bf16", "fp16")]
    different += [identity(quantize=name) for name in ("8bit", "4bit")]
    assert all(one != other for one in different for other in different if one is not other)
    assert same[0] not in different


@pytest.mark.parametrize(("dtype", "torch_dtype"), [("bf16", "bfloat16"), ("fp16", "float16")])
def test_dtype_is_that_of_the_weights(tiny_llama: Path, dtype: str, torch_dtype: str) -> None:
    network = LocalModel(options(tiny_llama, dtype=dtype)).network
    assert {str(weight.dtype) for weight in network.parameters()} == {f"torch.{torch_dtype}"}


def test_device_map_gives_the_same_answers(tiny_llama: Path, ask: Ask) -> None:
    asked = [LogLikelihood("", "The quick brown fox")]
    plain = ask(create_backend("huggingface", options(tiny_llama)), asked)
    spread = create_backend("huggingface", options(tiny_llama, device_map="auto"))
    assert {Generate, LogLikelihood, Embed} <= spread.capabilities
    (first,), (second,) = plain, ask(spread, asked)
    assert isinstance(first, TokenLogProbs) and isinstance(second, TokenLogProbs)
    assert second.per_token == pytest.approx(first.per_token, abs=FLOAT32_NOISE)


def test_pickled_weights_are_refused_unread(copy: Path) -> None:
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"not even a pickle")
    with pytest.raises(ModelNotFoundError, match=r"as a pickle.*--allow-pickle"):
        create_backend("huggingface", options(copy))


def test_incomplete_shards_are_named(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "model-00001-of-00002.safetensors")
    shards = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    index = {"weight_map": dict(zip("ab", shards, strict=True))}
    (copy / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelNotFoundError, match="lacks model-00002-of-00002"):
        create_backend("huggingface", options(copy))
    (copy / "model.safetensors.index.json").write_text("{")
    with pytest.raises(ModelNotFoundError, match="not an index"):
        create_backend("huggingface", options(copy))


def test_broken_and_unfitting_weights_are_one_clear_line(copy: Path, tmp_path: Path) -> None:
    weights = (copy / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(BackendError, match="cannot load the weights") as caught:
        _ = LocalModel(options(copy)).network
    assert "\n" not in str(caught.value)
    deeper = save_llama(tmp_path / "deeper")
    change_config(deeper, num_hidden_layers=3)
    with pytest.raises(BackendError, match=r"no weights for model\.layers\.2"):
        _ = LocalModel(options(deeper)).network


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 4096, "head_dim": 16},
        {"num_key_value_heads": 10**4},
        {"intermediate_size": 10**5},
        {"vocab_size": 10**5},
        {"num_hidden_layers": 20},
    ],
    ids=str,
)
def test_a_network_wider_than_its_weights_is_refused_before_memory_is_reserved(
    copy: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, int]
) -> None:
    change_config(copy, **changes)
    local = LocalModel(options(copy))
    # Nothing of the weights is loaded: only the configuration is read.
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", None)
    match = r"copy is broken: it describes [\d,]+ parameters, and the weights are [\d,]+; get its"
    with pytest.raises(BackendError, match=match):
        _ = local.network


def test_unknown_architecture_is_one_clear_line(copy: Path) -> None:
    change_config(copy, model_type="nonsense", architectures=["NonsenseForCausalLM"])
    with pytest.raises(BackendError, match="cannot load the configuration") as caught:
        _ = LocalModel(options(copy)).config
    assert "\n" not in str(caught.value)


def test_own_code_runs_only_when_trusted(copy: Path, tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    (copy / "own.py").write_text(
        "from pathlib import Path\n"
        "from transformers import PreTrainedConfig\n"
        f"Path({str(witness)!r}).touch()\n"
        "class OwnConfig(PreTrainedConfig):\n"
        "    model_type = 'own'\n"
    )
    change_config(copy, model_type="own", auto_map={"AutoConfig": "own.OwnConfig"})
    with pytest.raises(UsageError, match="--trust-remote-code"):
        _ = LocalModel(options(copy)).config
    assert not witness.exists()
    trusted = LocalModel(options(copy, trust_remote_code=True))
    assert trusted.config.model_type == "own"
    assert witness.exists()


def test_hub_model_offline_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = BackendOptions(model="someone/some-model", offline=True, cache_dir=tmp_path)
    with pytest.raises(ModelNotFoundError, match="hf download someone/some-model"):
        create_backend("huggingface", asked)


@pytest.mark.parametrize(
    ("method", "package"), [("gptq", "optimum"), ("awq", "gptqmodel"), ("compressed-tensors", "c")]
)
def test_quantized_checkpoint_names_the_package_it_needs(
    copy: Path, method: str, package: str
) -> None:
    change_config(copy, quantization_config={"quant_method": method, "bits": 4})
    with pytest.raises(
        MissingDependencyError, match=f"{method}, which needs the package {package}"
    ):
        create_backend("huggingface", options(copy))


def test_quantized_checkpoint_is_not_quantized_again(copy: Path) -> None:
    values = {"quant_method": "bitsandbytes", "load_in_8bit": True}
    change_config(copy, quantization_config=values)
    with pytest.raises(UsageError, match="quantized already"):
        create_backend("huggingface", options(copy, quantize="4bit"))
    identity = create_backend("huggingface", options(copy)).identity
    assert identity["quantization"] == "bitsandbytes"
    assert identity["dtype"] == "checkpoint"


def test_quantized_checkpoint_is_loaded_as_it_says(tiny_llama: Path, tmp_path: Path) -> None:
    import transformers

    folder = Path(shutil.copytree(tiny_llama, tmp_path / "quantized"))
    how = transformers.BitsAndBytesConfig(load_in_4bit=True)
    transformers.AutoModelForCausalLM.from_pretrained(
        str(folder), quantization_config=how
    ).save_pretrained(str(folder))
    network = LocalModel(options(folder)).network
    kinds = {type(module).__name__ for module in network.modules()}
    assert "Linear4bit" in kinds


def shard(folder: Path, name: str) -> Path:
    """Move the weights of a model to `name`, which its index then lists; their file."""
    from safetensors import safe_open

    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder / "model.safetensors", file)
    with safe_open(str(file), "pt") as content:
        index = {"metadata": {}, "weight_map": dict.fromkeys(content.keys(), name)}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return file


@pytest.mark.parametrize("name", ["x.safetensors", "shards/x.safetensors", "a/b/c.safetensors"])
def test_every_file_of_weights_is_part_of_the_identity(
    copy: Path, tmp_path: Path, name: str
) -> None:
    file = shard(copy, name)
    before = LocalModel(options(copy)).identity
    other = save_llama(tmp_path / "other", seed=5) / "model.safetensors"
    shutil.copy(other, file)
    assert LocalModel(options(copy)).identity != before


@pytest.mark.parametrize("name", ["../x.safetensors", "a/../../x.safetensors", "{0}/x.safetensors"])
def test_weights_outside_the_folder_are_refused(copy: Path, name: str) -> None:
    shard(copy, name.format(copy.parent))
    with pytest.raises(ModelNotFoundError, match="outside its folder"):
        create_backend("huggingface", options(copy))


@pytest.mark.parametrize("name", ["own.py", "inner/own.py", "additional_chat_templates/a.jinja"])
def test_code_and_templates_in_inner_folders_are_part_of_the_identity(
    copy: Path, name: str
) -> None:
    found = [LocalModel(options(copy)).identity]
    (copy / name).parent.mkdir(exist_ok=True)
    for content in ("# one", "# two"):
        (copy / name).write_text(content)
        found.append(LocalModel(options(copy)).identity)
    assert all(one != other for one in found for other in found if one is not other)


@pytest.mark.parametrize("named", ["other.safetensors", "inner/model.safetensors", "../x.bin"])
def test_a_configuration_that_names_other_weights_is_refused(copy: Path, named: str) -> None:
    change_config(copy, transformers_weights=named)
    with pytest.raises(UsageError, match="as its weights"):
        create_backend("huggingface", options(copy))


def test_an_adapter_beside_the_weights_is_refused(copy: Path) -> None:
    (copy / "adapter_config.json").write_text('{"base_model_name_or_path": "elsewhere"}')
    with pytest.raises(ModelNotFoundError, match="--adapter"):
        create_backend("huggingface", options(copy))


def test_a_missing_tokenizer_is_named(copy: Path) -> None:
    for file in copy.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelNotFoundError, match=r"no tokenizer.*tokenizer\.json"):
        create_backend("huggingface", options(copy))


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '"llama"', "7"])
def test_configurations_that_are_none_are_one_line(copy: Path, content: str) -> None:
    (copy / "config.json").write_text(content)
    with pytest.raises(BackendError, match=r"configuration of model.*copy") as caught:
        create_backend("huggingface", options(copy))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": 3},
        {"model_type": None},
        {"architectures": "LlamaForCausalLM"},
        {"architectures": [1]},
        {"architectures": ["CLIPModel"], "model_type": "clip"},
        {"quantization_config": "4bit"},
        {"auto_map": ["own.Own"]},
        {"transformers_weights": 7},
        {"hidden_size": "wide"},
        {"hidden_size": -64},
        {"num_attention_heads": 0},
        {"num_hidden_layers": None},
        {"num_hidden_layers": 10**6},
        {"hidden_size": 10**12},
        {"intermediate_size": 10**12},
        {"head_dim": 10**12},
        {"vocab_size": 0},
        {"vocab_size": 10**12},
        {"vocab_size": 1.5},
        {"max_position_embeddings": "long"},
        {"rope_parameters": "fast"},
        {"rope_parameters": {"rope_type": "nonsense"}},
        {"hidden_act": "nonsense"},
        {"eos_token_id": "end"},
    ],
)
def test_broken_values_of_a_configuration_are_one_line(
    copy: Path, ask: Ask, changes: dict[str, object]
) -> None:
    change_config(copy, **changes)
    with pytest.raises(LlmprofError, match="copy") as caught:
        local = create_backend("huggingface", options(copy))
        ask(local, [LogLikelihood("a", " b"), Generate("a")])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{"model_max_length": "long"}, {"added_tokens_decoder": {"x": 1}}, {"bos_token": 3}]
)
def test_broken_values_of_a_tokenizer_are_one_line(
    copy: Path, ask: Ask, changes: dict[str, object]
) -> None:
    file = copy / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    with pytest.raises(LlmprofError, match="copy") as caught:
        local = create_backend("huggingface", options(copy))
        ask(local, [LogLikelihood("a", " b"), Generate("a")])
    assert "\n" not in str(caught.value)


def test_the_scorers_model_is_named_as_the_scorers(tmp_path: Path) -> None:
    asked = BackendOptions(model="someone/some-scorer", offline=True, cache_dir=tmp_path)
    with pytest.raises(ModelNotFoundError, match="toxicity scorer's model: 'someone/"):
        create_backend("classifier", asked)


def test_weights_that_are_not_used_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = save_llama(tmp_path / "whole")
    _ = LocalModel(options(whole)).network
    assert caplog.messages == []
    change_config(whole, num_hidden_layers=1)
    _ = LocalModel(options(whole)).network
    (told,) = caplog.messages
    assert "are not used by" in told
    assert "model.layers.1." in told
