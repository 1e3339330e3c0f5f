"""Local models on one GPU: are the values right, how fast is it, and how busy is the card.

Networks are made here, from the shapes of published ones and random weights of a fixed seed: speed
and equality need no trained ones, and nothing is fetched. Attention scores and logits are scaled to
a standard deviation of 3 and 4: a token must depend on those before it, as in a trained model, and
a flat distribution is drawn from at another speed. Only a tokenizer's files are needed, and the
packages in gpu-packages.txt. Each part prints its table at once, so that a run that is cut keeps
what it had.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from _random_networks import DATA, SHAPES, in_memory, loaded, network_of, requests_like
from _shared import answer, print_machine, print_row, print_table, timed
from generation import generate, generate_batch
from log_likelihood import floor_seconds, lm_eval, lm_eval_model, matrix_rate

from llmprof.backends import BackendOptions
from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.model import LocalModel
from llmprof.requests import Generate, LogLikelihood, Sampling

BY_HAND = (64, 256, 1024)
NEW_TOKENS = 64


def equality(folder: Path, settings: Sequence[dict[str, Any]]) -> None:
    """Differences from plain passes over one text each, and of both from those in fp32."""
    print("\nEquality with a plain forward pass and with `generate`, greedy\n", flush=True)
    print_table(
        [
            "weights",
            "texts",
            "largest difference from a plain pass",
            "mean error per token, llmprof",
            "mean error per token, plain pass",
            "texts equal",
            "largest gap where they part",
            "seconds",
        ],
        [],
    )
    requests = [each for shape in DATA for each in requests_like(shape, 4)]
    prompts = [each.context for each in requests if each.context][::5][:4]
    with loaded(folder, dtype="fp32") as backend:
        truth = [plain_log_likelihood(backend, each) for each in requests]
    for setting in settings:
        began = time.perf_counter()
        with loaded(folder, **setting) as backend:
            ours = answer(backend, requests)
            plain = [plain_log_likelihood(backend, each) for each in requests]
            count = sum(each.token_count for each in ours)
            errors = [
                sum(abs(value - right) for value, right in zip(values, truth, strict=True)) / count
                for values in ([each.total for each in ours], plain)
            ]
            gap = max(abs(one.total - two) for one, two in zip(ours, plain, strict=True))
            written = answer(backend, [Generate(each, Sampling(16)) for each in prompts])
            parted = [
                parting_gap(backend, prompt, each.text)
                for each, prompt in zip(written, prompts, strict=True)
            ]
            print_row(
                [
                    ", ".join(f"{name} {value}" for name, value in setting.items()),
                    len(requests),
                    f"{gap:.1e}",
                    *(f"{each:.1e}" for each in errors),
                    f"{parted.count(None)}/{len(prompts)}",
                    f"{max(filter(None, parted), default=0):.1e}",
                    f"{time.perf_counter() - began:.0f}",
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


def parting_gap(backend: HuggingFaceBackend, prompt: str, text: str) -> float | None:
    """None if `generate` writes the same text; else how far apart the logits of the two tokens are
    where the texts part, by `generate`'s own logits."""
    model = backend._model
    ids = model.tokenizer(prompt, return_tensors="pt").to(model.device)
    out = model.network.generate(
        **ids,
        do_sample=False,
        max_new_tokens=16,
        pad_token_id=model.tokenizer.pad_token_id or 0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    theirs = out.sequences[0, ids["input_ids"].shape[1] :].tolist()
    if model.tokenizer.decode(theirs, skip_special_tokens=True) == text:
        return None
    for place, logits in enumerate(out.logits):
        if not text.startswith(model.tokenizer.decode(theirs[: place + 1])):
            first, second = logits[0].float().topk(2).values.tolist()
            return first - second
    return 0.0


def check_values(network: Any, words: Any, dtypes: str, quantize: str) -> None:
    """All comparisons of values and texts, of this network saved to files."""
    settings = [{"dtype": each} for each in dtypes.split(",")]
    settings.append({"dtype": "bf16", "device_map": "auto"})
    settings += [{"quantize": each} for each in filter(None, quantize.split(","))]
    with tempfile.TemporaryDirectory() as folder:
        network.save_pretrained(folder)
        words.save_pretrained(folder)
        batches(Path(folder))
        if torch.cuda.is_available():
            unrecordable(network, words)
        equality(Path(folder), settings)


def batches(folder: Path) -> None:
    """Log-likelihoods and texts one at a time beside those of automatic batches, in fp32."""
    requests = [each for shape in DATA for each in requests_like(shape, 4)]
    texts = [each.context for each in requests if each.context][::5][:4]
    hot = Sampling(24, temperature=1.0, top_p=0.9)
    asked = [Generate(text, hot, sample) for text in texts for sample in range(4)]
    found = []
    for size in (None, 1):
        with loaded(folder, dtype="fp32", batch_size=size) as backend:
            found.append((answer(backend, requests), answer(backend, asked)))
    (many, written), (alone, singly) = found
    gap = max(abs(one.total - two.total) for one, two in zip(many, alone, strict=True))
    same = sum(one.text == two.text for one, two in zip(written, singly, strict=True))
    print(
        f"\nfp32, batch size 1 beside automatic: largest difference {gap:.1e} of {len(many)} "
        f"log-likelihoods, {same} of {len(written)} sampled texts equal",
        flush=True,
    )


def unrecordable(network: Any, words: Any) -> None:
    """A network whose steps cannot be recorded gives the same texts without that."""
    asked = [Generate(text, Sampling(16)) for text in ("One", "Two", "Three")]
    expected = answer(in_memory("recorded", network, words, None), asked)
    hook = network.model.layers[0].register_forward_hook(
        lambda _module, _inputs, output: (torch.as_tensor(output[0]).sum().item(), None)[1]
    )
    backend = in_memory("not recorded", network, words, None)
    found = answer(backend, asked)
    hook.remove()
    again = answer(in_memory("recorded again", network, words, None), asked)
    print(
        f"\nA step that cannot be recorded: recorded {backend._decoder.records_steps}, texts equal "
        f"{[a.text for a in found] == [b.text for b in expected]}, and afterwards "
        f"{[a.text for a in again] == [b.text for b in expected]}",
        flush=True,
    )


def scoring(backend: HuggingFaceBackend, groups: int, sizes: Sequence[int]) -> None:
    """Log-likelihoods beside lm-eval at its best batch size, and how much of the rate is used."""
    print("\nLog-likelihoods\n", flush=True)
    heads = ["data", "texts", "llmprof /s", "lm-eval /s (batch)", "ratio", "of the bf16 rate"]
    print_table([*heads, "GiB"], [])
    reference = lm_eval_model(backend)
    for shape in DATA:
        requests = requests_like(shape, groups)
        reset_peak()
        seconds = best_of(2, lambda: answer(backend, requests))  # noqa: B023
        peak = peak_gib()
        theirs = min(
            (timed(lambda: lm_eval(reference, requests, size))[1], size)  # noqa: B023
            for size in sizes
        )
        width = backend._decoder.tree_width(backend._budget.tokens)
        print_row(
            [
                shape.name if width else f"{shape.name}, without trees",
                len(requests),
                f"{len(requests) / seconds:.0f}",
                f"{len(requests) / theirs[0]:.0f} ({theirs[1]})",
                f"{theirs[0] / seconds:.2f}",
                f"{floor_seconds(backend, requests) / seconds:.0%}",
                f"{peak:.1f}",
            ]
        )
    if torch.cuda.is_available():
        requests = requests_like(DATA[2], groups)
        print_kernels("scoring BBQ", lambda: answer(backend, requests))
        print_waits("scoring BBQ", lambda: answer(backend, requests))


def batch_sizes(make: Callable[[int | None], HuggingFaceBackend], groups: int, asked: Any) -> None:
    """Seconds by the batch size that is chosen automatically, and by those set by hand."""
    print("\nBatch sizes, in seconds\n", flush=True)
    print_table(["batch size", *(shape.name for shape in DATA), "completions"], [])
    for size in (None, *BY_HAND):
        backend = make(size)
        cells = [
            best_of(2, lambda: answer(backend, requests_like(shape, groups)))  # noqa: B023
            for shape in DATA
        ]
        cells.append(timed(lambda: answer(backend, asked))[1])  # noqa: B023
        print_row([size or "automatic", *(f"{each:.2f}" for each in cells)])


def completions_like(prompts: int, samples: int) -> list[Generate]:
    texts = [each.context for each in requests_like(DATA[1], prompts)][:: DATA[1].endings]
    sampling = Sampling(NEW_TOKENS, temperature=1.0, top_p=0.9)
    return [Generate(text, sampling, sample) for text in texts for sample in range(samples)]


def writing(backend: HuggingFaceBackend, prompts: int, samples: int) -> None:
    """Sampled completions beside `generate` and `generate_batch`, and how busy the card is."""
    print(f"\n{prompts} prompts, {samples} completions of {NEW_TOKENS} tokens each\n", flush=True)
    print_table(["", "tokens", "seconds", "tokens/s", "llmprof is faster by", "GiB"], [])
    requests = completions_like(prompts, samples)
    texts = list(dict.fromkeys(str(each.prompt) for each in requests))
    answer(backend, requests[:samples])

    def ours() -> tuple[int, float]:
        answers, spent = timed(lambda: answer(backend, requests))
        return sum(each.token_count for each in answers), spent

    reset_peak()
    written, seconds = ours()
    rate = written / seconds
    name = "llmprof" if backend._decoder.records_steps else "llmprof, steps not recorded"
    print_row([name, written, f"{seconds:.2f}", f"{rate:.0f}", "", f"{peak_gib():.1f}"])

    def beside(name: str, call: Callable[[], tuple[int, float]]) -> None:
        reset_peak()
        try:
            tokens, spent = call()
        except Exception as error:  # What this version of transformers cannot do on this card.
            print_row([name, "", "", "", str(error).splitlines()[0][:80], ""])
            return
        cells = [f"{spent:.2f}", f"{tokens / spent:.0f}", f"{rate / (tokens / spent):.2f}"]
        print_row([name, tokens, *cells, f"{peak_gib():.1f}"])

    recorded, backend._decoder.records_steps = backend._decoder.records_steps, False
    beside("llmprof without CUDA graphs", ours)
    backend._decoder.records_steps = recorded
    few = texts[: max(1, prompts // 16)]
    beside("generate", lambda: generate(backend, few, samples, NEW_TOKENS))
    if torch.cuda.is_available():
        # Four tokens warm it up.
        generate_batch(backend, few, 1, 4)
        beside("generate_batch", lambda: generate_batch(backend, texts, samples, NEW_TOKENS))
        print_kernels("generating", lambda: answer(backend, requests))


def print_kernels(doing: str, call: Callable[[], object]) -> None:
    """The share of the time in which a kernel runs, and the kernels that take most of it."""
    from torch.profiler import ProfilerActivity, profile

    began = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as record:
        call()
        torch.cuda.synchronize()
        spent = time.perf_counter() - began
    kernels = [each for each in record.key_averages() if each.self_device_time_total > 0]
    busy = sum(each.self_device_time_total for each in kernels) / 1e6
    print(f"\nWhile {doing}, a kernel runs for {busy / spent:.0%} of {spent:.2f} s:", flush=True)
    for each in sorted(kernels, key=lambda each: -each.self_device_time_total)[:8]:
        share = each.self_device_time_total / 1e6 / busy
        print(f"- {share:.0%}, {each.count} times: {each.key[:100]}", flush=True)


def print_waits(doing: str, call: Callable[[], object]) -> None:
    """How often the CPU waits for the card, other than for answers that are due."""
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    torch.cuda.set_sync_debug_mode("default")
    waits = sum("synchronizing" in str(each.message) for each in caught)
    print(f"\nWhile {doing}, the CPU waits for the card {waits} times", flush=True)


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
    from transformers import AutoTokenizer

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--tokenizer", type=Path, help="its folder; default: SmolLM2's")
    shapes = "135M,1B,8B" if torch.cuda.is_available() else "tiny"
    arguments.add_argument("--shapes", default=shapes, help=f"of {', '.join(SHAPES)}")
    arguments.add_argument("--parts", default="equality,writing,scoring,batch-sizes")
    arguments.add_argument("--dtypes", default="fp32,bf16,fp16", help="of the part on equality")
    arguments.add_argument("--quantize", default="8bit,4bit", help="of the part on equality")
    arguments.add_argument("--groups", type=int, default=400, help="questions or pairs")
    arguments.add_argument("--lm-eval", default="64,256", help="batch sizes of lm-eval")
    arguments.add_argument("--prompts", type=int, default=20)
    arguments.add_argument("--samples", type=int, default=25)
    given = arguments.parse_args()
    parts = given.parts.split(",")
    folder = given.tokenizer or LocalModel(BackendOptions(offline=True)).files.path
    words = AutoTokenizer.from_pretrained(str(folder))
    for shape in given.shapes.split(","):
        network = network_of(SHAPES[shape], words)
        make = partial(in_memory, shape, network, words)
        print(f"\n## {shape}, bf16\n")
        backend = make(None)
        print_machine(backend)
        rate = matrix_rate(network.get_output_embeddings().weight)
        print(f"A large matrix product in bf16: {rate / 1e12:.0f} TFLOP/s", flush=True)
        for part in parts:
            began = time.perf_counter()
            if part == "equality":
                check_values(network, words, given.dtypes, given.quantize)
            elif part == "writing":
                writing(backend, given.prompts, given.samples)
            elif part == "scoring":
                scoring(backend, given.groups, [int(each) for each in given.lm_eval.split(",")])
            elif part == "batch-sizes":
                batch_sizes(make, given.groups, completions_like(given.prompts, given.samples))
            else:
                raise SystemExit(f"there is no part {part}")
            print(f"\n({part}: {time.perf_counter() - began:.0f} s)", flush=True)
        del backend, make, network
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
