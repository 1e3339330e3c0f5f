"""Peak memory of scoring one sequence of 1,024 tokens, every token of it scored.

Each way runs in a process of its own, whose peak resident memory above that of the loaded model is
what is shown. "Whole projection" is the whole network, with logits and their log-softmax at every
position.
"""

from __future__ import annotations

import multiprocessing
from argparse import Namespace
from multiprocessing.connection import Connection

import torch
from _shared import answer, load, parser, print_machine, print_table

from llmprof.requests import LogLikelihood


def reset_peak() -> None:
    """Forget what loading took (Linux)."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_bytes() -> int:
    """Most resident memory that this process has had since then (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def measure(given: Namespace, tokens: int, whole: bool, pipe: Connection) -> None:
    """Send the bytes above the loaded model's that one sequence takes."""
    backend = load(given)
    model = backend._model
    words = " time" * (tokens - 1)
    ids = model.tokenizer(words, return_tensors="pt").input_ids[:, : tokens - 1].to(model.device)
    text = model.tokenizer.decode(ids[0])
    cuda = model.device.startswith("cuda")
    torch.cuda.reset_peak_memory_stats() if cuda else reset_peak()
    before = torch.cuda.max_memory_allocated() if cuda else peak_bytes()
    if whole:
        with torch.no_grad():
            model.network(ids).logits.log_softmax(-1)
    else:
        answer(backend, [LogLikelihood("", text)])
    pipe.send((torch.cuda.max_memory_allocated() if cuda else peak_bytes()) - before)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--tokens", type=int, nargs="*", default=[256, 512, 1024])
    given = arguments.parse_args()
    print_machine(load(given))
    spawn = multiprocessing.get_context("spawn")
    rows = []
    for tokens in given.tokens:
        found = []
        for whole in (False, True):
            ours, theirs = spawn.Pipe(duplex=False)
            process = spawn.Process(target=measure, args=(given, tokens, whole, theirs))
            process.start()
            found.append(ours.recv() / 2**20)
            process.join()
        rows.append([tokens, *(f"{size:.0f}" for size in found)])
    print_table(["tokens", "llmprof, MiB", "whole projection, MiB"], rows)


if __name__ == "__main__":
    main()
