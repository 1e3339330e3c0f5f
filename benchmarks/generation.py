"""Sampled completions: llmprof beside transformers' `generate` and `generate_batch`."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from _shared import answer, load, parser, print_machine, print_table, timed, toxic_prompts

from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.requests import Generate, Sampling


def generate(
    backend: HuggingFaceBackend, prompts: Sequence[str], samples: int, new_tokens: int
) -> tuple[int, float]:
    """Tokens written and seconds spent by `model.generate`, prompt by prompt."""
    model = backend._model
    tokens, seconds = 0, 0.0
    for prompt in prompts:
        ids = model.tokenizer(prompt, return_tensors="pt").to(model.device)
        began = time.perf_counter()
        out = model.network.generate(
            **ids,
            do_sample=True,
            temperature=1.0,
            top_p=0.9,
            top_k=0,
            max_new_tokens=new_tokens,
            num_return_sequences=samples,
            pad_token_id=model.tokenizer.pad_token_id,
        )
        seconds += time.perf_counter() - began
        new = out[:, ids["input_ids"].shape[1] :]
        # Tokens up to the first end-of-text, which is not counted.
        tokens += int((new != model.tokenizer.eos_token_id).cumprod(-1).sum())
    return tokens, seconds


def generate_batch(
    backend: HuggingFaceBackend, prompts: Sequence[str], samples: int, new_tokens: int
) -> tuple[int, float]:
    """Tokens written and seconds spent by continuous batching, all prompts in one call."""
    from transformers import GenerationConfig

    model = backend._model
    end = model.tokenizer.eos_token_id
    config = GenerationConfig(
        do_sample=True,
        temperature=1.0,
        top_p=0.9,
        top_k=0,
        max_new_tokens=new_tokens,
        eos_token_id=end,
        pad_token_id=model.tokenizer.pad_token_id,
    )
    inputs = [model.tokenizer(prompt)["input_ids"] for prompt in prompts for _ in range(samples)]
    began = time.perf_counter()
    outputs = model.network.generate_batch(
        inputs=inputs, generation_config=config, progress_bar=False
    )
    seconds = time.perf_counter() - began
    written = sum(sum(token != end for token in each.generated_tokens) for each in outputs.values())
    return written, seconds


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--items", type=int, default=20, help="prompts")
    arguments.add_argument("--samples", type=int, default=25, help="completions per prompt")
    arguments.add_argument("--new-tokens", type=int, default=64)
    arguments.add_argument("--reference-items", type=int, help="prompts of the other sides")
    given = arguments.parse_args()
    backend = load(given)
    print_machine(backend)
    prompts = toxic_prompts(given.data_dir, given.items)
    sampling = Sampling(given.new_tokens, temperature=1.0, top_p=0.9)
    requests = [
        Generate(prompt, sampling, sample) for prompt in prompts for sample in range(given.samples)
    ]
    reference = prompts[: given.reference_items or given.items]
    half = len(reference) // 2

    # A machine's speed drifts, so that the other side is measured before and after.
    torch.manual_seed(0)
    before = generate(backend, reference[:half], given.samples, given.new_tokens)
    ours, seconds = timed(lambda: answer(backend, requests))
    after = generate(backend, reference[half:], given.samples, given.new_tokens)
    batched, batched_seconds = generate_batch(backend, reference, given.samples, given.new_tokens)
    written = sum(each.token_count for each in ours)
    rows = [
        ("llmprof", len(prompts), written, seconds),
        ("generate", len(reference), before[0] + after[0], before[1] + after[1]),
        ("generate_batch", len(reference), batched, batched_seconds),
    ]
    print_table(
        ["", "prompts", "tokens", "seconds", "tokens/s", "llmprof is faster by"],
        [
            [
                name,
                count,
                tokens,
                f"{spent:.1f}",
                f"{tokens / spent:.0f}",
                f"{written / seconds / (tokens / spent):.2f}",
            ]
            for name, count, tokens, spent in rows
        ],
    )


if __name__ == "__main__":
    main()
