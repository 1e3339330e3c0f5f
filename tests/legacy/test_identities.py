"""The identity of each backend is the one that an earlier llmprof made its cache keys from."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llmprof.backends import BackendOptions, create_backend
from llmprof.cache import canonical_json
from tests.servers.openai import OpenAIServer
from tests.servers.running import serve

TOKENIZER: dict[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1, "b": 2}, "unk_token": "<unk>"},
}
TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "unk_token": "<unk>",
    "model_max_length": 64,
    "chat_template": "{% for message in messages %}{{ message.content }}{% endfor %}",
}
# SHA-256 of that template.
CHAT_TEMPLATE = "61fbedab465ef2a7f1b123fc7e4bc06a995bd09ac381579affeda60f02ebd940"
LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
CLASSIFIER = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "max_position_embeddings": 64,
    "id2label": {"0": "neutral", "1": "toxic"},
    "label2id": {"neutral": 0, "toxic": 1},
}
ADAPTER = {"peft_type": "LORA", "base_model_name_or_path": "model", "r": 2}
# A file of safetensors without tensors: the identity is made of the files' bytes.
NO_TENSORS = (2).to_bytes(8, "little") + b"{}"


def save_model(folder: Path, config: Mapping[str, Any]) -> str:
    folder.mkdir()
    for name, content in (
        ("config.json", config),
        ("tokenizer.json", TOKENIZER),
        ("tokenizer_config.json", TOKENIZER_CONFIG),
    ):
        (folder / name).write_bytes(json.dumps(content).encode())
    (folder / "model.safetensors").write_bytes(NO_TENSORS)
    return str(folder)


def save_adapter(folder: Path) -> str:
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(json.dumps(ADAPTER).encode())
    (folder / "adapter_model.safetensors").write_bytes(NO_TENSORS)
    return str(folder)


def identity(backend: str, **options: Any) -> dict[str, Any]:
    """The identity as a cache key holds it."""
    found = create_backend(backend, BackendOptions(**options)).identity
    values: dict[str, Any] = json.loads(canonical_json(dict(found)))
    return values


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for each provider, none of which is asked."""
    for name in ("OPENAI_API_KEY", "CO_API_KEY", "PERSPECTIVE_API_KEY"):
        monkeypatch.setenv(name, "key")
    monkeypatch.delenv("CO_API_URL", raising=False)


def test_folder_with_and_without_an_adapter(tmp_path: Path) -> None:
    local = {"cache_dir": tmp_path / "cache", "device": "cpu"}
    model, adapter = save_model(tmp_path / "model", LLAMA), save_adapter(tmp_path / "adapter")
    plain = {
        "backend": "huggingface",
        "fingerprint": "9d91a94e82882ce74fedfac9696ecfaec4be41193457a84b8b923139531f8bf6",
        "adapter": None,
        "dtype": "fp32",
        "quantization": "none",
        "chat_template": CHAT_TEMPLATE,
        "own_code": False,
    }
    assert identity("huggingface", model=model, **local) == plain
    adapted = {"fingerprint": "5fb200e290408b4cfa0be270cdbd9b5f7ff7a22e0ce765742dd404fc47502a13"}
    assert identity("huggingface", model=model, adapter=adapter, dtype="bf16", **local) == {
        **plain,
        "adapter": adapted,
        "dtype": "bf16",
    }


def test_classifier(tmp_path: Path) -> None:
    model = save_model(tmp_path / "model", CLASSIFIER)
    assert identity("classifier", model=model, cache_dir=tmp_path / "cache", device="cpu") == {
        "backend": "classifier",
        "fingerprint": "a5bf5c7131dcc76b8403a95bff49a08a45aa9ba0975575fc453cf9968f9987a0",
        "adapter": None,
        "dtype": "fp32",
        "quantization": "none",
        "chat_template": CHAT_TEMPLATE,
        "own_code": False,
        "mapping": {"toxic": "TOXICITY"},
        "activation": "softmax",
        "max_length": 64,
    }


def test_openai() -> None:
    with serve(OpenAIServer().app()) as address:
        assert identity("openai", model="toy", base_url=f"{address}/v1", bos_token="<s>") == {
            "backend": "openai",
            "base_url": f"{address}/v1",
            "model": "toy",
            "root": "/toy",
            "bos_token": "<s>",
            # Earlier answers may be texts, counts or scores that the server never gave.
            "reading": 2,
        }


@pytest.mark.parametrize(
    ("model", "special"),
    [
        ("command-r", {"safety_mode": "CONTEXTUAL"}),
        ("embed-v4.0", {"input_type": "clustering"}),
    ],
)
def test_cohere(model: str, special: dict[str, str]) -> None:
    common = {"backend": "cohere", "api": "v2", "host": "api.cohere.com", "model": model}
    assert identity("cohere", model=model) == {**common, **special}


def test_perspective() -> None:
    assert identity("perspective") == {
        "backend": "perspective",
        "api": "v1alpha1",
        "host": "commentanalyzer.googleapis.com",
        "languages": ["en"],
    }
