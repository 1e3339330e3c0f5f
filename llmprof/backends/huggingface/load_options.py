"""Checks what a user asked of a local model, before anything is looked for or loaded."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from llmprof.backends.protocol import BackendOptions
from llmprof.errors import MissingDependencyError, UnknownNameError, UsageError

TORCH_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
DTYPES = ("auto", *TORCH_DTYPES)
QUANTIZATIONS = ("none", "8bit", "4bit")
DEVICES = ("auto", "cpu", "cuda", "cuda:N")
# What accelerate knows; "auto" is "balanced" today.
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")


def check_options(options: BackendOptions) -> None:
    """Refuse values that do not exist and combinations that make no sense.

    Raises:
        UnknownNameError: a value does not exist.
        UsageError: two options contradict each other, or this machine lacks the device.
        MissingDependencyError: an optional package is needed and is not installed.
    """
    _check_name("dtype", options.dtype, DTYPES)
    _check_name("quantization", options.quantize, QUANTIZATIONS)
    if options.device_map is not None:
        _check_name("device map", options.device_map, DEVICE_MAPS)
        if options.device != "auto":
            raise UsageError(
                f"--device {options.device} and --device-map {options.device_map} contradict each "
                "other; give one of them"
            )
    _check_device(options.device)
    if options.quantize != "none":
        require("bitsandbytes", f"--quantize {options.quantize}", extra="quantize")
    if options.adapter is not None:
        require("peft", "--adapter", extra="adapters")


def require(package: str, purpose: str, *, extra: str | None = None) -> None:
    """Raise MissingDependencyError, naming what to install, when `package` is not importable."""
    if find_spec(package) is None:
        wanted = package if extra is None else f"'llmprof[{extra}]'"
        raise MissingDependencyError(
            f"{purpose} needs the package {package}; run `pip install {wanted}`"
        )


def _check_name(what: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise UnknownNameError(f"unknown {what} {value!r}; choose one of: {', '.join(choices)}")


def _check_device(device: str) -> None:
    kind, colon, number = device.partition(":")
    if device not in DEVICES[:3] and not (kind == "cuda" and colon and number.isdecimal()):
        raise UnknownNameError(f"unknown device {device!r}; choose one of: {', '.join(DEVICES)}")
    if kind == "cuda":
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= int(number or 0):
            raise UsageError(
                f"--device {device}: torch sees {count} CUDA devices on this machine; use "
                "--device cpu, or install a torch built for your GPU"
            )
