"""Encoder-decoder models (T5, BART): the encoder reads the prompt, the decoder generates or scores.

A continuation is tokenized separately and scored after the decoder's start token, as
lm-evaluation-harness does for such models. There is no likelihood of a text without a prompt.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from llmprof.backends.huggingface.batch_size import halving_batches
from llmprof.backends.huggingface.decoder import cache_argument
from llmprof.backends.huggingface.drafts import (
    Draft,
    StopWatch,
    WritingTask,
    end_tokens,
    outcome_of,
)
from llmprof.backends.huggingface.limits import longest_input
from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.huggingface.sampling import next_tokens
from llmprof.backends.huggingface.tokenization import check_ids, pad
from llmprof.errors import BackendError
from llmprof.requests import Generate, LogLikelihood, Outcome
from llmprof.responses import Failure, TokenLogProbs

if TYPE_CHECKING:
    import torch


class EncoderDecoder:
    """Answers requests to one model in batches of `size`, the longest prompts first.

    Raises:
        BackendError: the configuration names no token that the decoder starts with.
    """

    def __init__(self, model: LocalModel, size: int) -> None:
        self._model = model
        self._network = model.network
        self._size = size
        self._longest = longest_input(self._network.get_encoder().config)
        self._longest_written = longest_input(self._network.get_decoder().config)
        self._start = _start_token(self._network, model.name)
        # Of a decoder that always writes this token first, such as a language's; it is no text.
        self._forced = getattr(self._network.generation_config, "forced_bos_token_id", None)

    def log_likelihoods(
        self, requests: Sequence[LogLikelihood]
    ) -> Iterator[list[tuple[int, Outcome]]]:
        """Score each continuation given its context, a batch at a time."""
        lengths = [len(request.context) for request in requests]
        return halving_batches(self._score, requests, lengths, self._size)

    def completions(
        self, requests: Sequence[Generate], seeds: Sequence[int]
    ) -> Iterator[list[tuple[int, Outcome]]]:
        """Write an answer to each prompt, a batch at a time."""
        sources = [self._prompt(request) for request in requests]
        asked = list(zip(requests, sources, seeds, strict=True))
        return halving_batches(self._write, asked, [len(ids) for ids in sources], self._size)

    def _prompt(self, request: Generate) -> list[int]:
        if isinstance(request.prompt, str):
            ids = self._model.encoder.by_default(request.prompt)
        else:
            ids = self._rendered(self._model.render(request.prompt))
        return ids or [self._model.tokenizer.eos_token_id or self._model.pad_token_id]

    def _rendered(self, text: str) -> list[int]:
        (ids,) = self._model.encoder.encode([text], special=False)
        return ids

    def _cut(self, source: list[int]) -> tuple[list[int], int]:
        """The end of a source that the encoder can read, and how many tokens were cut off."""
        excess = 0 if self._longest is None else max(0, len(source) - self._longest)
        return source[excess:], excess

    def _score(self, requests: Sequence[LogLikelihood]) -> list[Outcome]:
        encoded = [self._pair(request) for request in requests]
        pairs = [each for each in encoded if not isinstance(each, Failure)]
        scored = iter(self._score_pairs(pairs) if pairs else ())
        return [each if isinstance(each, Failure) else next(scored) for each in encoded]

    def _pair(self, request: LogLikelihood) -> tuple[list[int], list[int]] | Failure:
        """Token ids of source and target."""
        context, continuation = request.parts
        if not context:
            return Failure(
                "NoSource",
                f"model {self._model.name} is an encoder-decoder, which scores an answer given a "
                "prompt; there is no prompt",
            )
        rendered = request.reading == "rendered"
        source = self._rendered(context) if rendered else self._model.encoder.by_default(context)
        target = self._target(continuation)
        if not source or not target:
            return Failure("EmptyContinuation", "the prompt or the continuation has no token")
        limit = self._longest_written
        if limit is not None and len(target) > limit:
            return Failure(
                "ContinuationTooLong",
                f"the continuation has {len(target)} tokens and the decoder reads {limit}",
            )
        return source, target

    def _target(self, text: str) -> list[int]:
        tokenizer = self._model.tokenizer
        # Some tokenizers have a vocabulary or language of their own for what is written.
        ids = list(tokenizer(text_target=text, add_special_tokens=False)["input_ids"])
        check_ids(tokenizer, self._model.name, [ids], self._model.vocabulary)
        return ids

    def _score_pairs(self, pairs: Sequence[tuple[list[int], list[int]]]) -> Iterator[TokenLogProbs]:
        import torch

        sources = [self._cut(source) for source, _ in pairs]
        inputs = [[self._start, *target[:-1]] for _, target in pairs]
        # The decoder looks at earlier tokens only, so that padding after them changes nothing.
        ids, _ = pad(inputs, fill=self._model.pad_token_id, left=False, device=self._model.device)
        with torch.inference_mode():
            states, mask = self._encode([source for source, _ in sources])
            logits = self._network(
                encoder_outputs=states, attention_mask=mask, decoder_input_ids=ids, use_cache=False
            ).logits
            for row, ((_, target), (_, excess)) in enumerate(zip(pairs, sources, strict=True)):
                scores = logits[row, : len(target)].float().log_softmax(-1)
                wanted = torch.tensor(target, device=scores.device)
                values = scores.gather(-1, wanted[:, None])[:, 0]
                yield TokenLogProbs(
                    float(values.double().sum()),
                    tuple(values.tolist()),
                    bool((scores.argmax(-1) == wanted).all()),
                    excess,
                )

    def _encode(self, sources: Sequence[Sequence[int]]) -> tuple[Any, torch.Tensor]:
        """The encoder's output and mask, a row for each source; equal sources are read once."""
        import torch
        from transformers.modeling_outputs import BaseModelOutput

        rows = {source: row for row, source in enumerate(dict.fromkeys(map(tuple, sources)))}
        ids, mask = pad(
            list(rows), fill=self._model.pad_token_id, left=False, device=self._model.device
        )
        states = self._network.get_encoder()(input_ids=ids, attention_mask=mask).last_hidden_state
        places = torch.tensor([rows[tuple(source)] for source in sources], device=states.device)
        return BaseModelOutput(last_hidden_state=states[places]), mask[places.to(mask.device)]

    def _write(self, asked: Sequence[tuple[Generate, list[int], int]]) -> list[Outcome]:
        import torch

        drafts = [self._draft(place, *each) for place, each in enumerate(asked)]
        ends = end_tokens(self._network, self._model.tokenizer)
        with torch.inference_mode():
            states, mask = self._encode([draft.task.prompt for draft in drafts])
            self._decode(drafts, ends, states, mask)
        return [outcome_of(draft) for draft in drafts]

    def _draft(self, place: int, request: Generate, prompt: list[int], seed: int) -> Draft:
        source, excess = self._cut(prompt)
        wanted = request.sampling.max_new_tokens
        if self._longest_written is not None:
            wanted = min(wanted, max(1, self._longest_written - len(self._prefix)))
        task = WritingTask(place, tuple(source), wanted, excess, request.sampling, seed)
        return Draft(task, StopWatch(self._model.tokenizer, request.sampling.stop))

    @property
    def _prefix(self) -> list[int]:
        return [self._start] if self._forced is None else [self._start, self._forced]

    def _decode(
        self, drafts: Sequence[Draft], ends: frozenset[int], states: Any, mask: torch.Tensor
    ) -> None:
        """Write all drafts to their ends, a token of each at a time; ended ones are dropped."""
        import torch

        name = cache_argument(self._network)
        active, cache = list(drafts), None
        while active:
            rows = [
                [*self._prefix, *draft.tokens] if cache is None else draft.tokens[-1:]
                for draft in active
            ]
            out = self._network(
                encoder_outputs=states,
                attention_mask=mask,
                decoder_input_ids=torch.tensor(rows, device=self._model.device),
                use_cache=True,
                **({} if cache is None else {name: cache}),
            )
            tokens = next_tokens(
                out.logits[:, -1].float(),
                [draft.task.sampling for draft in active],
                [draft.task.seed for draft in active],
                [len(draft.tokens) for draft in active],
            )
            for draft, token in zip(active, tokens, strict=True):
                draft.take(token, ends)
            cache = getattr(out, name, None)
            kept = [place for place, draft in enumerate(active) if not draft.finish_reason]
            if kept and len(kept) < len(active):
                places = torch.tensor(kept, device=mask.device)
                states.last_hidden_state = states.last_hidden_state[places]
                mask = mask[places]
                cache = _select(cache, places)
            active = [active[place] for place in kept]


def _select(cache: Any, places: torch.Tensor) -> Any:
    """The cache of these rows; None, to read all tokens again, where it cannot be taken apart."""
    try:
        cache.batch_select_indices(places)
    except (AttributeError, TypeError, NotImplementedError):
        return None
    return cache


def _start_token(network: Any, model: str) -> int:
    """The token that a decoder starts with, as training and lm-evaluation-harness place it."""
    for config in (network.config, network.generation_config, network.get_decoder().config):
        token = getattr(config, "decoder_start_token_id", None)
        if isinstance(token, int):
            return token
    raise BackendError(
        f"the configuration of model {model} has no decoder_start_token_id, without which an "
        "encoder-decoder cannot begin; add it to its config.json"
    )
