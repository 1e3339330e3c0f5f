"""Where a local model runs. torch takes seconds to import, and is not asked where that is plain."""

from __future__ import annotations

import ctypes
import sys
from importlib.metadata import version
from pathlib import Path

# AMD's kernel driver, which torch built for ROCm calls CUDA.
_AMD_DRIVER = Path("/dev/kfd")


def best_device() -> str:
    """`cuda` where torch can use a GPU, else `cpu`."""
    if version("torch").endswith("+cpu") or not _has_driver():
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def device_name(device: str) -> str:
    """What the memory belongs to: a GPU by its name, or `cpu`."""
    import torch

    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def _has_driver() -> bool:
    """Whether a GPU's driver is there, without which torch finds no device."""
    if _AMD_DRIVER.exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
