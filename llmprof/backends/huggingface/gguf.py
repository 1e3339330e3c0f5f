"""Converts a GGUF file to a folder of safetensors, once: reading GGUF takes far longer."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from llmprof.backends.huggingface.foreign_code import quiet_transformers
from llmprof.errors import BackendError


def convert_gguf(file: Path, target: Path) -> None:
    """Dequantize `file` into the folder `target`, which appears only when it is complete.

    Raises:
        BackendError: the folder cannot be written.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    quiet_transformers()
    _quiet_conversion()
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


def _quiet_conversion() -> None:
    """Make the conversion's progress bar heed the setting that turns all others off."""
    from transformers import modeling_gguf_pytorch_utils as conversion
    from transformers.utils.logging import tqdm

    conversion.tqdm = tqdm  # type: ignore[attr-defined]
