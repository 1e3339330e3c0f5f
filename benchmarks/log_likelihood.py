"""Log-likelihoods a second: llmprof, lm-eval at its best batch size, one sequence at a time.

All three score the same requests with the same weights in one run. "One at a time" is the way of
the scripts of "LLM See, LLM Do": the whole network on one sequence, with logits at every position.
`floor` is the time that the matrix products alone need for the distinct positions, at the rate of a
large matrix product measured in the same run: no method that computes each once can be faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from _shared import (
    answer,
    bbq,
    crows_pairs,
    load,
    openbookqa,
    parser,
    print_machine,
    print_table,
    timed,
)

from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.tokenization import EncodedPair, Encoder
from llmprof.requests import LogLikelihood

BATCH_SIZES = (4, 16, 64)


def lm_eval_model(backend: HuggingFaceBackend) -> Any:
    """lm-eval's own class on the same network."""
    from lm_eval.models.huggingface import HFLM

    model = backend._model
    return HFLM(pretrained=model.network, tokenizer=model.tokenizer, batch_size=1)


def lm_eval(reference: Any, requests: Sequence[LogLikelihood], batch_size: int) -> list[Any]:
    """(log-likelihood, is greedy) of each request."""
    from lm_eval.api.instance import Instance

    reference.batch_size_per_gpu = batch_size
    asked = [
        Instance("loglikelihood", {}, (ask.context, ask.continuation), place)
        for place, ask in enumerate(requests)
    ]
    return list(reference.loglikelihood(asked, disable_tqdm=True))


def one_at_a_time(backend: HuggingFaceBackend, requests: Sequence[LogLikelihood]) -> None:
    """The whole network on each sequence alone, log-softmax of all logits."""
    model = backend._model
    for each in Encoder(model.tokenizer).pairs(requests, None):
        assert isinstance(each, EncodedPair)
        ids = torch.from_numpy(each.tokens.astype("int64"))[None].to(model.device)
        with torch.no_grad():
            scores = model.network(ids).logits.float().log_softmax(-1)
        scores[0, :-1].gather(-1, ids[0, 1:, None]).sum().item()


def floor_seconds(backend: HuggingFaceBackend, requests: Sequence[LogLikelihood]) -> float:
    """Operations for the distinct positions over the rate of a large matrix product."""
    model = backend._model
    read, scored = set(), set()
    for each in Encoder(model.tokenizer).pairs(requests, None):
        assert isinstance(each, EncodedPair)
        tokens = each.tokens.tolist()
        read |= {tuple(tokens[:end]) for end in range(1, len(tokens))}
        scored |= {tuple(tokens[:end]) for end in range(len(tokens) - each.scored, len(tokens))}
    head = model.network.get_output_embeddings().weight
    body = sum(
        weight.numel()
        for name, weight in model.network.named_parameters()
        if weight.dim() == 2 and weight.shape != head.shape
    )
    operations = 2 * (body * len(read) + head.numel() * len(scored))
    return operations / matrix_rate(head)


def matrix_rate(like: torch.Tensor) -> float:
    """Operations a second of a large matrix product, of the device and number format of `like`."""
    size, times = (8192, 20) if like.is_cuda else (2048, 1)
    left, right = (torch.randn(size, size, device=like.device, dtype=like.dtype) for _ in range(2))

    def multiply() -> None:
        for _ in range(times):
            product = left @ right
        product[0, 0].item()

    return max(2 * size**3 * times / timed(multiply)[1] for _ in range(5))


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--pairs", type=int, default=80, help="pairs of CrowS-Pairs")
    arguments.add_argument("--questions", type=int, default=60, help="of OpenBookQA and of BBQ")
    arguments.add_argument("--alone", type=int, default=60, help="sequences scored one at a time")
    given = arguments.parse_args()
    backend = load(given)
    print_machine(backend)
    reference = lm_eval_model(backend)
    rows = []
    for name, requests in (
        ("CrowS-Pairs", crows_pairs(given.data_dir, given.pairs)),
        ("OpenBookQA", openbookqa(given.data_dir, given.questions)),
        ("BBQ Age", bbq(given.data_dir, given.questions)),
    ):
        ours, seconds = timed(lambda: answer(backend, requests))  # noqa: B023
        tried = []
        for size in BATCH_SIZES:
            values, spent = timed(lambda: lm_eval(reference, requests, size))  # noqa: B023
            tried.append((spent, size, values))
        best, size, expected = min(tried)
        some = requests[:: max(1, len(requests) // given.alone)]
        alone = timed(lambda: one_at_a_time(backend, some))[1]  # noqa: B023
        alone *= len(requests) / len(some)
        gap = max(abs(mine.total - total) for mine, (total, _) in zip(ours, expected, strict=True))
        agree = all(mine.is_greedy == hit for mine, (_, hit) in zip(ours, expected, strict=True))
        rows.append(
            [
                name,
                len(requests),
                f"{len(requests) / seconds:.1f}",
                f"{len(requests) / best:.1f} ({size})",
                f"{len(requests) / alone:.1f}",
                f"{best / seconds:.2f}",
                f"{alone / seconds:.1f}",
                f"{floor_seconds(backend, requests) / seconds:.2f}",
                f"{gap:.1e}",
                "yes" if agree else "NO",
            ]
        )
    print_table(
        [
            "data",
            "sequences",
            "llmprof /s",
            "lm-eval /s (batch)",
            "one at a time /s",
            "times lm-eval",
            "times one at a time",
            "floor / llmprof",
            "max difference",
            "greedy equal",
        ],
        rows,
    )


if __name__ == "__main__":
    main()
