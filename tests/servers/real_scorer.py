"""Log-probabilities of a real model, as a server that echoes would give them."""

from __future__ import annotations

from pathlib import Path

from tests.servers.openai import ScoredToken, Scorer


def real_scorer(model_folder: Path) -> Scorer:
    """What a server that echoes would say of a prompt, computed with transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    network = AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.float32).eval()

    def score(prompt: str) -> list[ScoredToken]:
        encoded = tokenizer(prompt, return_offsets_mapping=True)
        ids = torch.tensor([encoded["input_ids"]])
        with torch.inference_mode():
            table = network(ids).logits[0].log_softmax(-1)
        tokens = []
        for place, (start, end) in enumerate(encoded["offset_mapping"]):
            target = ids[0, place]
            value = float(table[place - 1, target]) if place else None
            greedy = bool(place) and bool(table[place - 1].argmax() == target)
            tokens.append(ScoredToken(prompt[start:end], value, greedy))
        return tokens

    return score
