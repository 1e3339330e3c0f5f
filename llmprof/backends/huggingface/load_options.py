"""Options for loading a local model: their checks, quantization and the device."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from llmprof.backends.protocol import BackendOptions
from llmprof.errors import UnknownNameError, UsageError, install_extra, require

TORCH_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
DEVICES = ("auto", "cpu", "cuda", "cuda:N", "cpu:N", "all")
# What transformers asks for when it loads a checkpoint of each method, and how to get it.
_PACKAGES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "awq": (("gptqmodel",), install_extra("gptq")),
    "bitsandbytes": (("bitsandbytes",), install_extra("quantize")),
    "compressed-tensors": (("compressed_tensors",), "pip install compressed-tensors"),
    "gptq": (("optimum", "gptqmodel"), install_extra("gptq")),
}
_PROCESSORS = Path("/proc/cpuinfo")
# AMD's kernel driver, which torch built for ROCm calls CUDA.
_AMD_DRIVER = Path("/dev/kfd")


def check_options(options: BackendOptions) -> None:
    """Refuse options that contradict each other or that this machine cannot follow.

    Raises:
        UnknownNameError: there is no such device.
        UsageError: two options contradict each other, or this machine lacks the device.
        MissingDependencyError: an optional package is needed and is not installed.
    """
    if options.device_map is not None and options.device != "auto":
        raise UsageError(
            f"--device {options.device} and --device-map {options.device_map} contradict each "
            "other; give one of them"
        )
    _check_device(options.device)
    if options.quantize != "none":
        require("bitsandbytes", f"--quantize {options.quantize}", install_extra("quantize"))
    if options.adapter is not None:
        require("peft", "--adapter", install_extra("adapters"))


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
            f"--quantize {quantize}: model {model} is quantized already ({method}); remove it"
        )
    packages, install = _PACKAGES.get(method, ((), ""))
    for package in packages:
        require(package, f"model {model} is quantized with {method}, which", install)


def bitsandbytes_settings(quantize: str, compute_dtype: Any) -> dict[str, Any]:
    """The configuration for transformers; None for `none`, so that a quantized checkpoint uses its
    own.

    `8bit` is LLM.int8() (Dettmers et al. 2022), which multiplies in fp16 whatever
    `compute_dtype` is. `4bit` is NF4 with double quantization (QLoRA,
    Dettmers et al. 2023); products are computed in `compute_dtype`.
    """
    import transformers

    configuration: Any = transformers.BitsAndBytesConfig

    if quantize == "8bit":
        # bitsandbytes warns at every matrix product of every layer.
        logging.getLogger("bitsandbytes.autograd._functions").setLevel(logging.ERROR)
        return {"quantization_config": configuration(load_in_8bit=True)}
    if quantize == "4bit":
        chosen = configuration(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute_dtype,
        )
        return {"quantization_config": chosen}
    return {}


def bytes_per_parameter(dtype: str, quantization: str) -> float:
    """Bytes that a weight takes in memory; those of an unknown quantization are taken to be few.

    >>> bytes_per_parameter("fp32", "none"), bytes_per_parameter("bf16", "8bit")
    (4.0, 1.0)
    """
    if quantization == "none":
        return 4.0 if dtype == "fp32" else 2.0
    return 1.0 if quantization == "8bit" else 0.5


def best_device() -> str:
    """`cuda` if torch can use a GPU, else `cpu`."""
    if version("torch").endswith("+cpu") or not _has_driver():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


_FASTER_IN_BF16 = (
    "this processor multiplies bf16 matrices in hardware (AMX): --dtype bf16 is faster than fp32 "
    "here, and its numbers differ slightly"
)


def precision_advice(dtype: str, device: str) -> str | None:
    """What to tell a user who leaves the precision to llmprof, which then computes in fp32.

    bf16 is never chosen for them: its numbers are others.
    """
    kind = best_device() if device == "auto" else device.partition(":")[0]
    if dtype != "auto" or kind != "cpu" or "amx_bf16" not in _processor_flags():
        return None
    return _FASTER_IN_BF16


def _processor_flags() -> frozenset[str]:
    """What the processor can do, as Linux calls it; empty on other systems."""
    try:
        lines = _PROCESSORS.read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.split())


def device_name(device: str) -> str:
    """What the memory belongs to: a GPU by its name, or `cpu`."""
    if not device.startswith("cuda"):
        return device
    import torch

    return torch.cuda.get_device_name(device)


def _check_device(device: str) -> None:
    kind, colon, number = device.partition(":")
    numbered = kind == "cuda" and colon and number.isdecimal()
    if device not in ("auto", "cpu", "cuda") and not numbered:
        raise UnknownNameError(f"unknown device {device!r}; choose one of: {', '.join(DEVICES)}")
    if kind == "cuda":
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= int(number or 0):
            raise UsageError(
                f"--device {device}: torch sees {count} CUDA devices on this machine; use "
                "--device cpu, or install a torch built for your GPU"
            )


def _has_driver() -> bool:
    """Whether a GPU driver is installed, without which torch finds no device."""
    if _AMD_DRIVER.exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
