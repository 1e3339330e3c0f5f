"""Log-likelihoods of continuations: every distinct prefix is computed once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from llmprof.backends.huggingface.batch_size import Budget
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.foreign_code import TOO_LARGE, is_out_of_memory
from llmprof.backends.huggingface.gpu_copies import CpuCopies, to_device
from llmprof.backends.huggingface.live import LiveModel
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.prefix_tree import PackedRow, pack
from llmprof.backends.huggingface.tokenization import EncodedPair, Encoder
from llmprof.errors import BackendError
from llmprof.requests import LogLikelihood, Outcome, RollingLogLikelihood
from llmprof.responses import Failure, TokenLogProbs

# Enough to find texts that begin alike; so few that a GPU need not wait for the first of them.
_ENCODED_AT_ONCE = 2048
_T = TypeVar("_T")


def log_likelihoods(
    decoder: Decoder, encoder: Encoder, requests: Sequence[LogLikelihood], budget: Budget
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answer all requests, a batch at a time (see `score_pairs`)."""
    parts = (
        encoder.pairs(requests[start : start + _ENCODED_AT_ONCE], decoder.longest_input)
        for start in range(0, len(requests), _ENCODED_AT_ONCE)
    )
    return score_pairs(decoder, _one_ahead(parts), budget)


def _one_ahead(items: Iterator[_T]) -> Iterator[_T]:
    """The items; each is made in a thread while the one before it is used."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item


def score_pairs(
    decoder: Decoder, parts: Iterable[Sequence[EncodedPair | Failure]], budget: Budget
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answers by place in all parts together, a batch at a time; failures are passed on.

    Each part is computed largest batch first. A batch that runs out of memory is halved and the
    rest goes on with the smaller size.

    Raises:
        BackendError: one sequence alone is too large for the memory.
    """
    running: list[_BatchScores] = []
    first = 0
    for part in parts:
        encoded = dict(enumerate(part, first))
        first += len(encoded)
        yield [(place, each) for place, each in encoded.items() if isinstance(each, Failure)]
        pending = {place: each for place, each in encoded.items() if isinstance(each, EncodedPair)}
        while pending:
            for batch in _batches(decoder, pending, budget):
                try:
                    if not all(decoder.tree_agrees(row) for row, _ in batch):
                        break
                    running.append(_score(decoder, batch, pending))
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    if not budget.halve("tokens"):
                        yield from map(_answers, running)
                        raise BackendError(TOO_LARGE) from error
                    break
                if len(running) > decoder.batches_ahead:
                    yield _answers(running.pop(0))
    yield from map(_answers, running)


def _batches(
    decoder: Decoder, pending: dict[int, EncodedPair], budget: Budget
) -> list[list[tuple[PackedRow, tuple[int, ...]]]]:
    """Rows to compute together, each with the requests that its members are.

    Sequences beyond the model's reach, and all of a model that takes no trees, run plainly: rows
    of one length side by side, so that nothing is padded.
    """
    longest_tree = decoder.tree_width(budget.tokens)
    plain = [
        place
        for place, each in pending.items()
        if not (longest_tree and decoder.within_reach(len(each.read)))
    ]
    trees = sorted(pending.keys() - set(plain))
    batches: list[list[tuple[PackedRow, tuple[int, ...]]]] = []
    for places, share in ((trees, True), (plain, False)):
        rows = pack(
            [pending[place].read for place in places],
            longest_row=longest_tree if share else budget.tokens,
            attention_scale=decoder.attention_scale,
            most_members=budget.sequences,
            share=share,
        )
        numbered = [(row, tuple(places[member] for member in row.members)) for row in rows]
        # A row that does not branch needs no mask and goes with its like.
        for branches in (True, False):
            same = [each for each in numbered if each[0].branches is branches]
            batches += _group(same, budget, decoder.padding_limit if branches else 0)
    return sorted(batches, key=lambda batch: -len(batch) * len(batch[0][0]))


def _group(
    rows: Sequence[tuple[PackedRow, tuple[int, ...]]], budget: Budget, most_padding: float
) -> list[list[tuple[PackedRow, tuple[int, ...]]]]:
    """Cut rows, longest first, into batches that the budget allows, with so much padding each."""
    groups: list[list[tuple[PackedRow, tuple[int, ...]]]] = []
    padding = members = 0
    for row, places in rows:
        width = len(groups[-1][0][0]) if groups else 0
        if (
            groups
            and padding + width - len(row) <= most_padding
            and (len(groups[-1]) + 1) * width <= budget.tokens
            and (budget.sequences is None or members + len(places) <= budget.sequences)
        ):
            groups[-1].append((row, places))
            padding, members = padding + width - len(row), members + len(places)
        else:
            groups.append([(row, places)])
            padding, members = 0, len(places)
    return groups


@dataclass(frozen=True, slots=True)
class _BatchScores:
    """Scores of one batch, which a GPU may still be computing.

    `predicted` are the values and whether they are the likeliest tokens, both of shape (n,); the
    first `sizes[0]` belong to request `places[0]`, whose context was cut by `truncated[0]` tokens.
    """

    places: list[int]
    truncated: list[int]
    sizes: list[int]
    predicted: CpuCopies


def _score(
    decoder: Decoder,
    batch: Sequence[tuple[PackedRow, tuple[int, ...]]],
    pending: dict[int, EncodedPair],
) -> _BatchScores:
    """Compute a batch, or let a GPU do so; its requests are no longer pending."""
    import numpy as np
    import torch

    with torch.inference_mode():
        states = decoder.rows([row for row, _ in batch])
        width = states.shape[1]
        places, nodes, targets = [], [], []
        for number, (row, members) in enumerate(batch):
            for place, path in zip(members, row.paths, strict=True):
                scored = pending[place].scored
                places.append(place)
                nodes.append(number * width + path[-scored:])
                targets.append(pending[place].tokens[-scored:])
        predicted = _predict(
            decoder,
            states.flatten(0, 1),
            torch.from_numpy(np.concatenate(nodes)),
            torch.from_numpy(np.concatenate(targets).astype(np.int64)),
        )
        copies = CpuCopies(*predicted)
    truncated = [pending.pop(place).truncated for place in places]
    return _BatchScores(places, truncated, [len(each) for each in nodes], copies)


def _answers(scores: _BatchScores) -> list[tuple[int, Outcome]]:
    """The answers of a batch; waits until they are computed."""
    values, greedy = (each.split_with_sizes(scores.sizes) for each in scores.predicted.read())
    answers: list[tuple[int, Outcome]] = []
    for place, truncated, some, hits in zip(
        scores.places, scores.truncated, values, greedy, strict=True
    ):
        total, per_token = float(some.double().sum()), tuple(some.tolist())
        answers.append((place, TokenLogProbs(total, per_token, bool(hits.all()), truncated)))
    return answers


def _predict(decoder: Decoder, states: Any, nodes: Any, targets: Any) -> tuple[Any, Any]:
    """Log-probability of each target after its node, and whether it is the likeliest token.

    `states` is of shape (all nodes, width), `nodes` and `targets` of shape (n,); so are both
    answers. A node that several targets follow is projected onto the vocabulary once.
    """
    import torch

    size = decoder.projected_at_once
    asked, inverse = nodes.unique(return_inverse=True)
    order = inverse.argsort(stable=True)
    bounds = torch.searchsorted(inverse[order], torch.arange(0, len(asked) + size, size)).tolist()
    asked, inverse, order, targets = (
        to_device(each, states.device) for each in (asked, inverse, order, targets)
    )
    values = torch.empty(len(targets), device=states.device)
    greedy = torch.empty(len(targets), dtype=torch.bool, device=states.device)
    for chunk, (low, high) in enumerate(pairwise(bounds)):
        start = chunk * size
        scores = decoder.logits(states[asked[start : start + size]])
        here = order[low:high]
        local, wanted = inverse[here] - start, targets[here]
        greedy[here] = scores.argmax(-1)[local] == wanted
        # As lm-eval does it: on CPU the float32 sum in this kernel is about 4e-5 off a token, which
        # a more exact one would turn into a difference from lm-eval's values.
        values[here] = scores.log_softmax(-1)[local, wanted]
    return values, greedy


def rolling_log_likelihoods(
    model: LocalModel | LiveModel, requests: Sequence[RollingLogLikelihood]
) -> list[Outcome]:
    """Score each text, one window at a time: a window of a long text fills a batch by itself."""
    return [_score_rolling(model, request.text) for request in requests]


def windows(length: int, longest: int) -> Iterator[tuple[int, int, int]]:
    """Windows over a sequence of `length` tokens that predict each but the first once.

    Each is (start, end, scored): tokens [start, end) are read, at most `longest` of them, and the
    last `scored` positions predict the token after them.

    >>> list(windows(10, 4))
    [(0, 4, 4), (4, 8, 4), (5, 9, 1)]
    """
    predicted = 0
    while predicted < length - 1:
        end = min(predicted + longest, length - 1)
        yield max(0, end - longest), end, end - predicted
        predicted = end


def _score_rolling(model: LocalModel | LiveModel, text: str) -> Outcome:
    import torch
    from torch.nn.functional import cross_entropy

    ids = model.encoder.whole(text)
    if isinstance(ids, Failure):
        return ids
    tokens = torch.tensor(ids, device=model.device)
    values: list[float] = []
    greedy = True
    with torch.inference_mode():
        for start, end, scored in windows(len(tokens), model.max_length):
            logits = model.network(input_ids=tokens[None, start:end], logits_to_keep=scored).logits
            targets = tokens[end - scored + 1 : end + 1]
            values += (-cross_entropy(logits[0].float(), targets, reduction="none")).tolist()
            greedy = greedy and bool((logits[0].argmax(-1) == targets).all())
    return TokenLogProbs(sum(values), tuple(values), greedy)
