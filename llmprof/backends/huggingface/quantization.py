"""Quantized weights: by bitsandbytes while loading, or as the checkpoint has them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from llmprof.backends.huggingface.load_options import require
from llmprof.errors import UsageError

# What transformers asks for when it loads a checkpoint of each method.
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "awq": ("gptqmodel",),
    "bitsandbytes": ("bitsandbytes",),
    "compressed-tensors": ("compressed_tensors",),
    "gptq": ("optimum", "gptqmodel"),
}


def checkpoint_quantization(config: Mapping[str, Any]) -> str | None:
    """The method with which a checkpoint was quantized, None for a plain one.

    >>> checkpoint_quantization({"quantization_config": {"quant_method": "gptq", "bits": 4}})
    'gptq'
    """
    quantization = config.get("quantization_config")
    return None if quantization is None else str(quantization.get("quant_method", "unknown"))


def check_quantization(model: str, method: str | None, quantize: str) -> None:
    """Refuse to quantize twice, and a method whose package is not there.

    Raises:
        UsageError: `quantize` was asked of a checkpoint that is quantized.
        MissingDependencyError: a package that the method needs is not installed.
    """
    if method is None:
        return
    if quantize != "none":
        raise UsageError(
            f"--quantize {quantize}: model {model} is quantized already ({method}); leave it out"
        )
    for package in _PACKAGES.get(method, ()):
        require(package, f"model {model} is quantized with {method}, which")


def bitsandbytes_config(quantize: str, compute_dtype: Any) -> Any:
    """What transformers is told: None for `none`.

    `8bit` is LLM.int8() (Dettmers et al. 2022), which multiplies in fp16 whatever
    `compute_dtype` is. `4bit` is NF4 with double quantization (QLoRA,
    Dettmers et al. 2023); products are computed in `compute_dtype`.
    """
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig

    if quantize == "8bit":
        # Said again for every matrix product of every layer.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return configuration(load_in_8bit=True)
    if quantize == "4bit":
        return configuration(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute_dtype,
        )
    return None
