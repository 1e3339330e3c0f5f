"""Small models with random weights, saved as a user's folder would be: no download, no waiting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Single precision differs by some 1e-5 in a log-probability of -10 between processors and between
# orders of addition; a wrong token or mask shows as 1e-2 and more in the models below.
FLOAT32_NOISE = 1e-4

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "She was a good engineer and he was a good nurse.",
    "He was a good engineer and she was a good nurse.",
    "People who live in glass houses should not throw stones.",
    "The women were known as too emotional for hard work in the city.",
    "The men were known as too emotional for hard work in the city.",
)


def _fast_tokenizer(tokenizer: Any, folder: Path, **special: str) -> Any:
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    fast.save_pretrained(str(folder))
    return fast


def byte_tokenizer(folder: Path) -> Any:
    """Byte-level BPE as GPT-2 has it, trained on `SENTENCES`; saved into `folder`."""
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    tokenizer.train_from_iterator(SENTENCES, vocab_size=320, special_tokens=["<|endoftext|>"])
    return _fast_tokenizer(
        tokenizer._tokenizer, folder, bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    )


def word_piece_tokenizer(folder: Path) -> Any:
    """WordPiece with [CLS] and [SEP] as BERT has it, trained on `SENTENCES`."""
    from tokenizers import BertWordPieceTokenizer
    from tokenizers.processors import TemplateProcessing

    tokenizer = BertWordPieceTokenizer(lowercase=True)
    tokenizer.train_from_iterator(SENTENCES, vocab_size=160, min_frequency=1)
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    tokenizer._tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", first), ("[SEP]", last)]
    )
    special = {name: f"[{name[:-6].upper()}]" for name in _BERT_SPECIAL}
    return _fast_tokenizer(tokenizer._tokenizer, folder, **special)


_BERT_SPECIAL = ("cls_token", "sep_token", "mask_token", "pad_token", "unk_token")


def save_llama(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A causal language model of two layers; `changes` go into its configuration."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = byte_tokenizer(folder)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    torch.manual_seed(seed)
    # Weights as large as these spread the probabilities, so that a wrong mask shows in them.
    config = LlamaConfig(**{**settings, "initializer_range": 0.2, **changes})
    LlamaForCausalLM(config).save_pretrained(str(folder))
    return folder


def _bert_settings(vocabulary: int) -> dict[str, Any]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
    }


def save_masked(folder: Path, seed: int = 0) -> Path:
    """A masked language model of two layers, as BERT is one."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    tokenizer = word_piece_tokenizer(folder)
    torch.manual_seed(seed)
    model = BertForMaskedLM(BertConfig(**_bert_settings(len(tokenizer))))
    model.save_pretrained(str(folder))
    return folder


def save_classifier(
    folder: Path, labels: Sequence[str], problem_type: str | None = None, seed: int = 0
) -> Path:
    """A text classifier of two layers with these labels, in this order."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    tokenizer = word_piece_tokenizer(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        **_bert_settings(len(tokenizer)),
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
        problem_type=problem_type,
    )
    BertForSequenceClassification(config).save_pretrained(str(folder))
    return folder
