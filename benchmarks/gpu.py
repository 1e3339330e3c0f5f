"""Local models on one GPU: are the values right, how fast is it, and how busy is the card.

Networks are made here, from the shapes of published ones and random weights of a fixed seed: speed
and equality need no trained ones, and nothing is fetched. Only a tokenizer's files are needed, in
the folder that `--tokenizer` names, and the packages in gpu-packages.txt. Each part prints its
table at once, so that a run that is cut keeps what it had.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from _shared import answer, print_machine, print_row, print_table, timed
from generation import generate, generate_batch
from log_likelihood import floor_seconds, lm_eval, lm_eval_model

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.requests import Generate, LogLikelihood, Sampling

# Layers, width, feed-forward width, heads, heads of keys and values, vocabulary.
SHAPES = {
    "tiny": (2, 64, 128, 4, 2, 1_000),
    "135M": (30, 576, 1_536, 9, 3, 49_152),
    "1B": (16, 2_048, 8_192, 32, 8, 128_256),
    "8B": (32, 4_096, 14_336, 32, 8, 128_256),
}
LM_EVAL_BATCHES = (16, 64, 256)
NEW_TOKENS = 64


@dataclass(frozen=True)
class Shape:
    """The form of a data set: how many texts share a beginning, and how long the parts are."""

    name: str
    endings: int
    context_words: int
    ending_words: int


DATA = (
    Shape("CrowS-Pairs", endings=2, context_words=0, ending_words=12),
    Shape("OpenBookQA", endings=4, context_words=14, ending_words=3),
    Shape("BBQ", endings=3, context_words=45, ending_words=3),
)


def save_network(folder: Path, tokenizer: Path, shape: str) -> Path:
    """A Llama of this shape with random weights, in bf16, and the tokenizer beside it."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    layers, width, inner, heads, key_heads, vocabulary = SHAPES[shape]
    words = AutoTokenizer.from_pretrained(str(tokenizer))
    words.save_pretrained(str(folder))
    torch.manual_seed(0)
    config = LlamaConfig(
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=inner,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
        vocab_size=max(vocabulary, len(words)),
        max_position_embeddings=2_048,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        network = LlamaForCausalLM(config).to(torch.bfloat16)
    network.save_pretrained(str(folder))
    return folder


@contextmanager
def loaded(folder: Path, **options: Any) -> Iterator[HuggingFaceBackend]:
    """The backend with its weights loaded, and its memory given back at the end."""
    with tempfile.TemporaryDirectory() as cache:
        backend = HuggingFaceBackend(
            BackendOptions(model=str(folder), cache_dir=Path(cache), **options)
        )
        answer(backend, [LogLikelihood("", "Warm up."), Generate("Warm up.", Sampling(2))])
        yield backend
        backend._model.unload()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def requests_like(shape: Shape, groups: int) -> list[LogLikelihood]:
    """Texts of random words; those of a group differ in their last words only."""
    draw = random.Random(shape.name)

    def words(count: int) -> str:
        return "".join(" " + "".join(draw.choices("etaoinshrdlu", k=5)) for _ in range(count))

    made = []
    for _ in range(groups):
        context = words(shape.context_words).strip()
        shared = words(shape.ending_words // 2)
        made += [
            LogLikelihood(context, shared + words(shape.ending_words - shape.ending_words // 2))
            for _ in range(shape.endings)
        ]
    return made


def equality(folder: Path, dtypes: Sequence[str], quantizations: Sequence[str]) -> None:
    """The largest difference from a plain pass over each text alone, in the same number format."""
    print("\nEquality with a plain forward pass and with `generate`, greedy\n", flush=True)
    print_table(["weights", "texts", "largest difference", "per token", "texts equal"], [])
    requests = [each for shape in DATA for each in requests_like(shape, 8)]
    settings = [{"dtype": dtype} for dtype in dtypes] + [
        {"quantize": each} for each in quantizations
    ]
    for setting in settings:
        with loaded(folder, **setting) as backend:
            ours = answer(backend, requests)
            plain = [plain_log_likelihood(backend, each) for each in requests]
            gaps = [abs(one.total - two) for one, two in zip(ours, plain, strict=True)]
            tokens = [one.token_count for one in ours]
            prompts = [each.context for each in requests if each.context][:12]
            written = answer(backend, [Generate(each, Sampling(32)) for each in prompts])
            same = sum(
                each.text == greedy(backend, prompt)
                for each, prompt in zip(written, prompts, strict=True)
            )
            per_token = max(gap / count for gap, count in zip(gaps, tokens, strict=True))
            name = next(iter(setting.values()))
            print_row(
                [
                    name,
                    len(requests),
                    f"{max(gaps):.1e}",
                    f"{per_token:.1e}",
                    f"{same}/{len(prompts)}",
                ]
            )


def plain_log_likelihood(backend: HuggingFaceBackend, request: LogLikelihood) -> float:
    """The sum over the continuation's tokens, by one pass of the network over one text."""
    from llmprof.backends.huggingface.tokenization import EncodedPair, Encoder

    model = backend._model
    (pair,) = Encoder(model.tokenizer).pairs([request], None)
    assert isinstance(pair, EncodedPair)
    ids = torch.from_numpy(pair.tokens.astype("int64"))[None].to(model.device)
    with torch.no_grad():
        scores = model.network(ids).logits.float().log_softmax(-1)
    chosen = scores[0, :-1].gather(-1, ids[0, 1:, None])[:, 0]
    return float(chosen[-pair.scored :].double().sum())


def greedy(backend: HuggingFaceBackend, prompt: str) -> str:
    """What `model.generate` writes without sampling."""
    model = backend._model
    ids = model.tokenizer(prompt, return_tensors="pt").to(model.device)
    out = model.network.generate(
        **ids, do_sample=False, max_new_tokens=32, pad_token_id=model.tokenizer.pad_token_id or 0
    )
    new = out[0, ids["input_ids"].shape[1] :]
    return str(model.tokenizer.decode(new, skip_special_tokens=True))


def scoring(backend: HuggingFaceBackend, groups: int) -> None:
    """Log-likelihoods beside lm-eval at its best batch size, and how much of the rate is used."""
    print("\nLog-likelihoods\n", flush=True)
    heads = ["data", "texts", "llmprof /s", "lm-eval /s (batch)", "ratio", "of the floor", "GiB"]
    print_table(heads, [])
    reference = lm_eval_model(backend)
    for shape in DATA:
        requests = requests_like(shape, groups)
        reset_peak()
        seconds = best_of(2, lambda: answer(backend, requests))  # noqa: B023
        peak = peak_gib()
        theirs = min(
            (timed(lambda: lm_eval(reference, requests, size))[1], size)  # noqa: B023
            for size in LM_EVAL_BATCHES
        )
        print_row(
            [
                shape.name,
                len(requests),
                f"{len(requests) / seconds:.0f}",
                f"{len(requests) / theirs[0]:.0f} ({theirs[1]})",
                f"{theirs[0] / seconds:.2f}",
                f"{floor_seconds(backend, requests) / seconds:.2f}",
                f"{peak:.1f}",
            ]
        )


def writing(backend: HuggingFaceBackend, prompts: int, samples: int) -> None:
    """Sampled completions beside `generate` and `generate_batch`, and how busy the card is."""
    print(f"\n{prompts} prompts, {samples} completions of {NEW_TOKENS} tokens each\n", flush=True)
    print_table(["", "tokens", "seconds", "tokens/s", "llmprof is faster by", "GiB"], [])
    texts = [each.context for each in requests_like(DATA[1], prompts) if each.context][::4]
    sampling = Sampling(NEW_TOKENS, temperature=1.0, top_p=0.9)
    requests = [Generate(text, sampling, sample) for text in texts for sample in range(samples)]
    answer(backend, requests[:samples])
    reset_peak()
    ours, seconds = timed(lambda: answer(backend, requests))
    written = sum(each.token_count for each in ours)
    print_row(
        ["llmprof", written, f"{seconds:.1f}", f"{written / seconds:.0f}", "", f"{peak_gib():.1f}"]
    )
    few = texts[: max(1, prompts // 5)]
    others = [("generate", generate)]
    if torch.cuda.is_available():  # It takes all memory that is free, which only a GPU can spare.
        others.append(("generate_batch", generate_batch))
    for name, other in others:
        reset_peak()
        try:
            tokens, spent = other(backend, few, samples, NEW_TOKENS)
        except Exception as error:  # What this version of transformers cannot do on this card.
            print_row([name, "", "", "", str(error).splitlines()[0][:80], ""])
            continue
        ratio = (written / seconds) / (tokens / spent)
        print_row(
            [
                name,
                tokens,
                f"{spent:.1f}",
                f"{tokens / spent:.0f}",
                f"{ratio:.2f}",
                f"{peak_gib():.1f}",
            ]
        )
    if torch.cuda.is_available():
        share = busy(lambda: answer(backend, requests[: 4 * samples]))
        print(f"\nA kernel runs for {share:.0%} of the time", flush=True)


def busy(call: Callable[[], object]) -> float:
    """The share of the time in which a kernel runs, by torch's profiler."""
    from torch.profiler import ProfilerActivity, profile

    began = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        call()
        torch.cuda.synchronize()
    spent = time.perf_counter() - began
    return sum(each.self_device_time_total for each in record.key_averages()) / 1e6 / spent


def best_of(count: int, call: Callable[[], object]) -> float:
    """Seconds of the fastest of several calls."""
    return min(timed(call)[1] for _ in range(count))


def reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_gib() -> float:
    """The most memory that tensors held since the last reset; 0 without a GPU."""
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tokenizer", type=Path, required=True, help="folder of a tokenizer")
    arguments.add_argument("--shapes", default="135M,1B,8B", help=f"of {', '.join(SHAPES)}")
    arguments.add_argument("--dtypes", default="fp32,bf16,fp16", help="of the part on equality")
    arguments.add_argument("--quantize", default="8bit,4bit", help="of the part on equality")
    arguments.add_argument("--groups", type=int, default=400, help="questions or pairs")
    arguments.add_argument("--prompts", type=int, default=20)
    arguments.add_argument("--samples", type=int, default=25)
    given = arguments.parse_args()
    for place, shape in enumerate(given.shapes.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            saved = save_network(Path(folder), given.tokenizer, shape)
            if place == 0:
                equality(
                    saved, given.dtypes.split(","), list(filter(None, given.quantize.split(",")))
                )
            print(f"\n## {shape}, bf16\n")
            with loaded(saved, dtype="bf16") as backend:
                print_machine(backend)
                scoring(backend, given.groups)
                writing(backend, given.prompts, given.samples)


if __name__ == "__main__":
    main()
