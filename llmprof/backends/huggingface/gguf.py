"""Converts a GGUF file to a folder of safetensors, once, since reading GGUF takes far longer."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from llmprof.backends.huggingface.fingerprints import file_fingerprint
from llmprof.backends.huggingface.foreign_code import first_line, is_foreign, quiet_transformers
from llmprof.errors import BackendError

_LOG = logging.getLogger(__name__)
# Lists the SHA-256 of each file of a converted model.
_MANIFEST = "llmprof_files.json"
_MAGIC = b"GGUF"


def is_whole(folder: Path, memory: Path) -> bool:
    """Whether a converted model exists, with all files unchanged.

    `memory` is where fingerprints of files that did not change are kept.
    """
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        digests = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(digests) and all(
            file_fingerprint(folder / name, memory) == digest for name, digest in digests.items()
        )
    return False


def convert_gguf(file: Path, target: Path) -> None:
    """Dequantize `file` into the folder `target`, which appears only when it is complete.

    A folder that is there already is replaced.

    Raises:
        BackendError: the file is no GGUF of a known model, or the folder cannot be written.
    """
    _LOG.info("llmprof: converting %s to safetensors, which the next run will not need", file.name)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True, exist_ok=True)
        _convert(file, partial)
        memory = partial / "unused"
        digests = {each.name: file_fingerprint(each, memory) for each in partial.iterdir()}
        (partial / _MANIFEST).write_text(json.dumps(digests, indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)
    except BaseException as error:  # A malformed file makes its readers raise anything.
        if not is_foreign(error):
            raise
        # safetensors gives a full disk as an error of its own.
        of_disk = "os error" in str(error) or getattr(error, "errno", None) is not None
        if of_disk:
            raise BackendError(
                f"cannot convert {file} into {target.parent}: {first_line(error)}; check "
                "the folder's free space and permissions, or choose another cache folder with "
                "--cache-dir"
            ) from error
        raise BackendError(
            f"cannot convert {file}: {first_line(error)}; check that the file is whole and of a "
            "model that transformers reads from GGUF"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _convert(file: Path, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    with file.open("rb") as content:
        if content.read(len(_MAGIC)) != _MAGIC:
            raise BackendError(f"{file} is not a GGUF file; check the path, or get it again")
    quiet_transformers()
    _quiet_conversion()
    # In a folder of its own, so that nothing beside the file is read, and no code of it runs.
    source = target / "source"
    source.mkdir()
    link = source / "model.gguf"
    link.symlink_to(file.resolve())
    with _reading_once():
        tokenizer = AutoTokenizer.from_pretrained(
            str(source), gguf_file=link.name, trust_remote_code=False
        )
        model = AutoModelForCausalLM.from_pretrained(
            str(source),
            gguf_file=link.name,
            quantization_config=GgufConfig(dequantize=True),
            trust_remote_code=False,
        )
    shutil.rmtree(source)
    tokenizer.save_pretrained(str(target))
    model.save_pretrained(str(target))


def _quiet_conversion() -> None:
    """Make the conversion's progress bar heed the setting that turns all others off."""
    from transformers import modeling_gguf_pytorch_utils as conversion
    from transformers.utils.logging import tqdm

    conversion.tqdm = tqdm  # type: ignore[attr-defined]


@contextmanager
def _reading_once() -> Iterator[None]:
    """Let transformers share what it would read for tokenizer, configuration and weights each.

    Parsing the file again, and a table of names for each layer, is most of a conversion's time.
    """
    import gguf

    shared = {name: getattr(gguf, name) for name in ("GGUFReader", "get_tensor_name_map")}
    for name, function in shared.items():
        setattr(gguf, name, cache(function))
    try:
        yield
    finally:
        for name, function in shared.items():
            setattr(gguf, name, function)
