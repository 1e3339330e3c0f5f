"""Length limits from a model's configuration: the longest input, windows and chunks."""

from __future__ import annotations

from typing import Any

# The longest input has many names; MPT, ChatGLM and models with code of their own use the later.
_LONGEST_INPUT = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "max_seq_length",
    "max_sequence_length",
    "seq_length",
    "seq_len",
    "n_ctx",
)


def longest_input(config: Any) -> int | None:
    """Tokens that a model can read, special tokens included; None without a limit.

    `config` is the configuration of the text model.
    """
    model_type = str(getattr(config, "model_type", ""))
    # BLOOM names the length it was trained with, and reads on beyond it.
    names = _LONGEST_INPUT[:1] if model_type == "bloom" else _LONGEST_INPUT
    limit = next(filter(None, (_positive(config, name) for name in names)), None)
    if limit is not None and "roberta" in model_type:
        # RoBERTa and its kin count positions from one past the padding token's id.
        limit -= (config.pad_token_id or 0) + 1
    return limit


def reach(config: Any) -> int | None:
    """Sequences up to this length see all of their past, at the same rotary frequencies.

    Beyond it a sliding window, chunked attention or a length-dependent rotary embedding makes
    a token depend on more than its ancestors and its depth. None is without a limit.
    """
    limits = [_positive(config, "attention_chunk_size")]
    if getattr(config, "use_sliding_window", True):
        limits.append(_positive(config, "sliding_window"))
    rotary = getattr(config, "rope_parameters", None)
    rotary = rotary if isinstance(rotary, dict) else {}
    if rotary.get("rope_type") in ("dynamic", "longrope"):
        original = rotary.get("original_max_position_embeddings")
        original = original or _positive(config, "original_max_position_embeddings")
        limits.append(original or longest_input(config))
    return min((int(limit) for limit in limits if limit), default=None)


def _positive(config: Any, name: str) -> int | None:
    value = getattr(config, name, None)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        return None
    return int(value)
