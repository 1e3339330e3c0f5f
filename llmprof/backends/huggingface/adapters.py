"""PEFT adapters: finds the base of one, checks it and puts its layers into a loaded network."""

from __future__ import annotations

import json
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from llmprof.backends.huggingface.foreign_code import first_line, one_line_errors
from llmprof.backends.huggingface.model_files import ModelFiles
from llmprof.backends.huggingface.weights import ADAPTER, MODEL, check_pickles
from llmprof.backends.protocol import BackendOptions
from llmprof.errors import BackendError, LlmprofError, ModelNotFoundError, UsageError

# Megatron's module, which PEFT imports by name, and the adapters that X-LoRA mixes.
_FOREIGN_PARTS = ("megatron_config", "adapters")


def apply_adapter(network: Any, adapter: ModelFiles) -> Any:
    """The network with the adapter's layers, which are not merged into the weights.

    Merging would round a quantized or half-precision weight once more; kept apart, the answers are
    those that PEFT gives.

    Raises:
        UsageError: the adapter is of a kind that is not part of the network (a learned prompt).
        BackendError: the adapter does not fit the network, or holds a pickle of more than tensors.
    """
    from peft import PeftConfig, PeftModel
    from safetensors import SafetensorError

    folder = _folder(adapter)
    # PEFT takes the other format when the one that was asked for is not there.
    if not (Path(folder) / adapter.weights).is_file():
        raise BackendError(f"adapter {adapter.path} lacks {adapter.weights}; get it again")
    if adapter.pickled:
        check_pickles(Path(folder), adapter.weights)
    _refuse_foreign_parts(Path(folder), adapter.name)
    try:
        config = PeftConfig.from_pretrained(folder)
        if config.is_prompt_learning:
            raise UsageError(
                f"adapter {adapter.name} is a learned prompt ({config.peft_type}), which llmprof "
                "does not run; give one that changes the network, such as LoRA"
            )
        with warnings.catch_warnings():
            # PEFT calls a method of transformers that is going to be removed.
            warnings.filterwarnings("ignore", category=FutureWarning)
            # PEFT only warns, and goes on with weights drawn at random.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            wrapped = PeftModel.from_pretrained(network, folder)
    except SafetensorError as error:
        raise BackendError(f"adapter {adapter.path} is broken: {error}; get it again") from error
    except Exception as error:  # A broken configuration makes PEFT raise anything.
        if isinstance(error, LlmprofError):
            raise
        raise BackendError(
            f"adapter {adapter.name} does not fit the model: {first_line(error)}; check that it "
            "was trained on this model"
        ) from error
    return wrapped.get_base_model()


def with_base(options: BackendOptions) -> BackendOptions:
    """Where `model` is a folder that holds an adapter alone, its base with the adapter.

    The base is the model that the adapter's own configuration names.

    Raises:
        ModelNotFoundError: it names none.
    """
    folder = Path(options.model or "").expanduser()
    alone = not (folder / MODEL.config).is_file() and (folder / ADAPTER.config).is_file()
    if options.model is None or options.adapter is not None or not alone:
        return options
    base = None
    with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        config = json.loads((folder / ADAPTER.config).read_text(encoding="utf-8"))
        base = config["base_model_name_or_path"]
    if not isinstance(base, str) or not base:
        raise ModelNotFoundError(
            f"adapter {options.model} does not say which model it was trained on; name that model, "
            "and the adapter with --adapter"
        )
    return replace(options, model=base, adapter=options.model)


def _refuse_foreign_parts(folder: Path, name: str) -> None:
    """Refuse an adapter whose configuration names a module to import or other adapters to load."""
    with one_line_errors(f"cannot read the configuration of adapter {name}", "get it again"):
        config = json.loads((folder / ADAPTER.config).read_text(encoding="utf-8"))
        named = [key for key in _FOREIGN_PARTS if config.get(key)]
    if named:
        raise UsageError(
            f"adapter {name} names code or files outside its folder ({named[0]} in "
            f"{ADAPTER.config}), which llmprof does not load; give an adapter that is complete"
        )


def _folder(adapter: ModelFiles) -> str:
    if adapter.revision is None:
        return adapter.path
    if adapter.folder is not None:
        return str(adapter.folder)
    from huggingface_hub import snapshot_download

    wanted = [ADAPTER.config, adapter.weights]
    return snapshot_download(adapter.path, revision=adapter.revision, allow_patterns=wanted)
