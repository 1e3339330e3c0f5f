"""Small causal models of other architectures, saved as a user's folder would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_models import byte_tokenizer, save_llama


def save(kind: str, folder: Path) -> Path:
    """Two layers with random weights; `mistral_window` sees 18 tokens back."""
    import torch
    import transformers

    if kind == "llama":
        return save_llama(folder)
    tokenizer = byte_tokenizer(folder)
    width = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    grouped = {**width, "num_key_value_heads": 2, "intermediate_size": 48, "head_dim": 8}
    configurations: dict[str, tuple[str, dict[str, Any]]] = {
        "gpt2": ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}),
        "openai": ("OpenAIGPT", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}),
        "gemma2": (
            "Gemma2",
            {**grouped, "final_logit_softcapping": 3.0, "attn_logit_softcapping": 5.0},
        ),
        "mistral_window": ("Mistral", {**grouped, "sliding_window": 18}),
        "bloom": ("Bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}),
        "mamba": ("Mamba", {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4}),
    }
    family, settings = configurations[kind]
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        initializer_range=0.3,
        **settings,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(str(folder))
    return folder
