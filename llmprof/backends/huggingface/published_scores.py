"""Log-likelihoods as published evaluation scripts compute them, for protocols that repeat those."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmprof.backends.huggingface.batch_size import Budget
from llmprof.backends.huggingface.decoder import Decoder
from llmprof.backends.huggingface.log_likelihood import score_pairs
from llmprof.backends.huggingface.tokenization import EncodedPair, Encoder, fit
from llmprof.requests import Outcome, StartedLogLikelihood, TailLogLikelihood
from llmprof.responses import Failure, TokenLogProbs


def tail_log_likelihoods(
    decoder: Decoder, encoder: Encoder, requests: Sequence[TailLogLikelihood], budget: Budget
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answer all requests, a batch at a time (see `score_pairs`)."""
    counts = {tail: len(encoder.by_default(tail)) for tail in {each.tail for each in requests}}
    encoded = []
    for request in requests:
        tokens = encoder.by_default(request.text)
        encoded.append(
            fit(tokens, max(len(tokens) - counts[request.tail], 1), decoder.longest_input)
        )
    return score_pairs(decoder, [encoded], budget)


def started_log_likelihoods(
    decoder: Decoder, encoder: Encoder, requests: Sequence[StartedLogLikelihood], budget: Budget
) -> Iterator[list[tuple[int, Outcome]]]:
    """Answer all requests, a batch at a time (see `score_pairs`).

    Each request is two sequences: its first token after the start token, and its later tokens.
    """
    encoded: list[EncodedPair | Failure] = []
    parts: list[list[int]] = []
    owners: list[int] = []
    for place, request in enumerate(requests):
        tokens = encoder.by_default(request.text)
        begun = [*encoder.by_default(request.start)[:1], *tokens[:1]]
        sequences = [begun, tokens] if len(tokens) > 1 else [begun]
        parts.append(list(range(len(encoded), len(encoded) + len(sequences))))
        encoded += [fit(sequence, 1, decoder.longest_input) for sequence in sequences]
        owners += [place] * len(sequences)
    found: dict[int, Outcome] = {}
    for batch in score_pairs(decoder, [encoded], budget):
        found.update(batch)
        touched = dict.fromkeys(owners[part] for part, _ in batch)
        yield [
            (place, _joined([found[part] for part in parts[place]]))
            for place in touched
            if all(part in found for part in parts[place])
        ]


def _joined(parts: Sequence[Outcome]) -> Outcome:
    """The answer to a request from the answers to its sequences, in order."""
    values: list[float] = []
    greedy = True
    for part in parts:
        if not isinstance(part, TokenLogProbs):
            return part
        values += part.per_token
        greedy = greedy and part.is_greedy
    return TokenLogProbs(sum(values), tuple(values), greedy)
