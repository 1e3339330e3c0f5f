"""Sampled completions: llmprof beside `model.generate` with k samples, prompt by prompt."""

from __future__ import annotations

import torch
from _shared import answer, load, parser, print_machine, print_table, timed, toxic_prompts

from llmprof.requests import Generate, Sampling


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--items", type=int, default=20, help="prompts")
    arguments.add_argument("--samples", type=int, default=25, help="completions a prompt")
    arguments.add_argument("--new-tokens", type=int, default=64)
    arguments.add_argument("--reference-items", type=int, help="prompts of the other side")
    given = arguments.parse_args()
    backend = load(given)
    print_machine(backend)
    prompts = toxic_prompts(given.data_dir, given.items)
    sampling = Sampling(given.new_tokens, temperature=1.0, top_p=0.9)
    requests = [
        Generate(prompt, sampling, sample) for prompt in prompts for sample in range(given.samples)
    ]
    ours, seconds = timed(lambda: answer(backend, requests))
    written = sum(each.token_count for each in ours)

    model = backend._model
    torch.manual_seed(0)
    theirs, their_seconds = 0, 0.0
    for prompt in prompts[: given.reference_items or given.items]:
        ids = model.tokenizer(prompt, return_tensors="pt").to(model.device)
        out, spent = timed(
            lambda ids=ids: model.network.generate(  # type: ignore[misc]
                **ids,
                do_sample=True,
                temperature=1.0,
                top_p=0.9,
                top_k=0,
                max_new_tokens=given.new_tokens,
                num_return_sequences=given.samples,
                pad_token_id=model.tokenizer.pad_token_id,
            )
        )
        new = out[:, ids["input_ids"].shape[1] :]
        # Tokens up to the first end-of-text, which is not counted.
        theirs += int((new != model.tokenizer.eos_token_id).cumprod(-1).sum())
        their_seconds += spent
    print_table(
        ["", "prompts", "tokens", "seconds", "tokens/s"],
        [
            ["llmprof", len(prompts), written, f"{seconds:.1f}", f"{written / seconds:.0f}"],
            [
                "model.generate",
                given.reference_items or given.items,
                theirs,
                f"{their_seconds:.1f}",
                f"{theirs / their_seconds:.0f}",
            ],
        ],
    )
    print(f"ratio {written / seconds / (theirs / their_seconds):.2f}")


if __name__ == "__main__":
    main()
