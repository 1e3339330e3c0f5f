"""Estimates the memory of a training from the sizes in a model's configuration."""

from __future__ import annotations

from typing import Any

from llmprof.jobs.training.recipe import TrainingRecipe

_FLOAT = 4
# Additional values per trained weight: its gradient and the two moments of Adam.
_STATES = 3
# Floats per token and layer that the backward pass needs, in hidden sizes (Korthikanti et al. 2022,
# arXiv 2205.05198, equation 2, without the part of attention that a fused kernel does not store).
_KEPT_PER_LAYER = 17


def training_bytes(config: Any, recipe: TrainingRecipe, tokens: int) -> int | None:
    """The memory of weights, optimizer states and activations of a step, in fp32.

    None if the configuration has no sizes. This is an estimate: kernels and fragmentation need
    more, bf16 about half as much.
    """
    text = config.get_text_config()
    sizes = [
        getattr(text, name, None) for name in ("hidden_size", "num_hidden_layers", "vocab_size")
    ]
    if not all(isinstance(each, int) for each in sizes):
        return None
    hidden, layers, vocabulary = (int(each) for each in sizes if each is not None)
    inner = int(getattr(text, "intermediate_size", None) or 4 * hidden)
    embeddings = vocabulary * hidden * (1 if getattr(text, "tie_word_embeddings", True) else 2)
    weights = embeddings + layers * (4 * hidden**2 + 3 * hidden * inner)
    if recipe.method == "full":
        trained = weights
    else:
        trained = layers * recipe.lora_rank * (8 * hidden + 3 * (hidden + inner))
    kept = tokens * (layers * _KEPT_PER_LAYER * hidden + 2 * vocabulary)
    return _FLOAT * (weights + _STATES * trained + kept)
