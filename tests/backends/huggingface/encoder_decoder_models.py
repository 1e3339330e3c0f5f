"""Small encoder-decoder models, saved as a user's folder would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_models import SENTENCES


def _unigram_tokenizer(folder: Path, **added: str) -> Any:
    """SentencePiece's unigram model with `</s>` after each text, as T5 has it."""
    from tokenizers import SentencePieceUnigramTokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    tokenizer = SentencePieceUnigramTokenizer()
    special = ["<pad>", "</s>", "<unk>", "<s>"]
    tokenizer.train_from_iterator(
        SENTENCES, vocab_size=120, unk_token="<unk>", special_tokens=special, show_progress=False
    )
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer._tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        **added,
    )
    fast.save_pretrained(str(folder))
    return fast


def save_encoder_decoder(kind: str, folder: Path, **changes: Any) -> Path:
    """Two layers each with random weights; `changes` go into the configuration."""
    import torch
    import transformers

    tokenizer = _unigram_tokenizer(folder)
    t5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    layers = {
        f"{half}_{name}": value
        for half in ("encoder", "decoder")
        for name, value in (("layers", 2), ("attention_heads", 4), ("ffn_dim", 48))
    }
    settings: dict[str, dict[str, Any]] = {
        "T5": {**t5, "decoder_start_token_id": 0, "initializer_factor": 1.0},
        "MT5": {**t5, "decoder_start_token_id": 0, "initializer_factor": 0.3},
        "Bart": {
            **layers,
            "d_model": 32,
            "max_position_embeddings": 64,
            "decoder_start_token_id": 1,
            "forced_eos_token_id": None,
            "init_std": 0.3,
        },
    }
    torch.manual_seed(0)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer),
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=3,
        **{**settings[kind], **changes},
    )
    network = getattr(transformers, f"{kind}ForConditionalGeneration")(config)
    network.save_pretrained(str(folder))
    return folder
