"""Training parameters, from a TOML file or the defaults."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from llmprof.errors import ConfigError
from llmprof.toml_files import read_toml

OBJECTIVES = ("sft", "dpo")
METHODS = ("lora", "full")
SCHEDULES = ("linear", "cosine", "constant")
PRECISIONS = ("auto", "fp32", "bf16")
# Inclusive bounds of numbers.
_LIMITS = {
    "learning_rate": (1e-9, 10.0),
    "epochs": (1, 10_000),
    "batch_tokens": (1, 10**9),
    "max_length": (8, 10**7),
    "warmup_share": (0.0, 1.0),
    "weight_decay": (0.0, 10.0),
    "max_grad_norm": (0.0, 1e6),
    "lora_rank": (1, 4096),
    "lora_alpha": (1, 10**6),
    "lora_dropout": (0.0, 0.99),
    "dpo_beta": (1e-6, 100.0),
    "checkpoint_steps": (1, 10**9),
}
_CHOICES = {
    "objective": OBJECTIVES,
    "method": METHODS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
}


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """Everything except the seed that determines what a student learns from a data file.

    `objective` is `sft` (the next token of completions) or `dpo` (preference pairs; Rafailov et al.
    2023, arXiv 2305.18290, with `dpo_beta`); `method` is `lora` (Hu et al. 2021, arXiv 2106.09685)
    or `full`. `batch_tokens` is the approximate number of tokens per step: the number of examples
    that have this many on average, rounded down to a power of 2. Examples longer than `max_length`
    tokens are cut. With `completion_only`, prompts are read but not learned. `chat_template`
    applies the model's own to prompts. `precision` auto is bf16 on CUDA and fp32 on CPU.
    `lora_targets` is `all-linear` or names of layers, separated by commas.
    """

    objective: str = "sft"
    method: str = "lora"
    learning_rate: float = 1e-3
    epochs: int = 3
    batch_tokens: int = 2048
    max_length: int = 1024
    completion_only: bool = True
    chat_template: bool = True
    schedule: str = "linear"
    warmup_share: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    precision: str = "auto"
    lora_rank: int = 16
    lora_alpha: int = 32
    lora_dropout: float = 0.0
    lora_targets: str = "all-linear"
    dpo_beta: float = 0.1
    checkpoint_steps: int = 10

    def values(self) -> dict[str, Any]:
        """Every value by its name."""
        return asdict(self)

    def content(self) -> dict[str, Any]:
        """The values that can affect the result, that is, all but the checkpoint interval."""
        return {name: value for name, value in asdict(self).items() if name != "checkpoint_steps"}

    def toml(self) -> str:
        """The recipe as TOML, readable by `read_recipe`."""
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in asdict(self).items())


def read_recipe(path: Path, base: TrainingRecipe | None = None) -> TrainingRecipe:
    """The recipe in a TOML file; missing values are taken from `base`, or the defaults.

    Raises:
        ConfigError: the file does not exist, is not TOML, or has an unknown name or value.
    """
    try:
        found = read_toml(path)
    except OSError as error:
        raise ConfigError(f"cannot read recipe {path}: {error.strerror}; check --recipe") from error
    except ValueError as error:
        raise ConfigError(f"recipe {path} is not TOML: {error}; correct it") from error
    known = {each.name for each in fields(TrainingRecipe)}
    for name, value in found.items():
        if name not in known:
            raise ConfigError(
                f"recipe {path}: unknown name {name!r}; the names are: {', '.join(sorted(known))}"
            )
        found[name] = _checked(path, name, value)
    return replace(base or TrainingRecipe(), **found)


def _checked(path: Path, name: str, value: Any) -> Any:
    kind = get_type_hints(TrainingRecipe)[name]
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(
            f"recipe {path}: {name} is {value!r}; give a value of type {_named(kind)}"
        )
    if name in _CHOICES and value not in _CHOICES[name]:
        raise ConfigError(
            f"recipe {path}: {name} is {value!r}; choose one of: {', '.join(_CHOICES[name])}"
        )
    if name in _LIMITS:
        low, high = _LIMITS[name]
        if not math.isfinite(value) or not low <= value <= high:
            raise ConfigError(f"recipe {path}: {name} is {value}; give {low} to {high}")
    return value


def _named(kind: type) -> str:
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[kind]
