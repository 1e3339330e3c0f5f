"""Runs a Hugging Face causal language model on this machine, on CPU or CUDA."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from platformdirs import user_cache_path

from llmprof.backends.model_files import find_model
from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import BackendError, UnknownNameError
from llmprof.requests import (
    Completion,
    Generate,
    LogLikelihood,
    Request,
    RequestType,
    TokenLogProbs,
)

if TYPE_CHECKING:
    import torch

_TORCH_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
DTYPES = ("auto", *_TORCH_DTYPES)
_DEFAULT_BATCH_SIZE = 8


def create(options: BackendOptions) -> HuggingFaceBackend:
    if options.dtype not in DTYPES:
        raise UnknownNameError(
            f"unknown dtype {options.dtype!r}; choose one of: {', '.join(DTYPES)}"
        )
    return HuggingFaceBackend(options)


class HuggingFaceBackend:
    """Answers in batches, longest first; the weights are loaded when the first answer is needed."""

    name = "huggingface"
    capabilities: frozenset[RequestType] = frozenset({Generate, LogLikelihood})

    def __init__(self, options: BackendOptions) -> None:
        import transformers

        transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._options = options
        self._files = find_model(
            options.model,
            revision=options.revision,
            offline=options.offline,
            models_dir=(options.cache_dir or user_cache_path("llmprof")) / "models",
        )
        self._one_at_a_time = anyio.CapacityLimiter(1)

    @property
    def model(self) -> str:
        return self._files.name

    @property
    def chat(self) -> bool:
        return bool(self._tokenizer.chat_template)

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        template = str(self._tokenizer.chat_template or "")
        return {
            "backend": self.name,
            "model": self._files.name,
            "revision": self._files.revision,
            "fingerprint": self._files.fingerprint,
            "adapter": self._options.adapter,
            "dtype": self._dtype_name,
            "quantization": self._options.quantize,
            "chat_template": hashlib.sha256(template.encode()).hexdigest(),
        }

    @cached_property
    def _device(self) -> str:
        import torch

        if self._options.device != "auto":
            return self._options.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def _dtype_name(self) -> str:
        if self._options.dtype != "auto":
            return self._options.dtype
        return "fp32" if self._device == "cpu" else "bf16"

    @cached_property
    def _tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(
            self._files.path,
            revision=self._files.revision,
            local_files_only=self._options.offline,
            trust_remote_code=self._options.trust_remote_code,
        )
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def _network(self) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        try:
            network = AutoModelForCausalLM.from_pretrained(
                self._files.path,
                revision=self._files.revision,
                dtype=getattr(torch, _TORCH_DTYPES[self._dtype_name]),
                local_files_only=self._options.offline,
                trust_remote_code=self._options.trust_remote_code,
            )
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BackendError(
                f"cannot load model {self._files.path}: {reason}; check that the folder is complete"
            ) from error
        return network.to(self._device).eval()

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for kind, run in ((LogLikelihood, self._score_batch), (Generate, self._generate_batch)):
            places = [place for place, ask in enumerate(requests) if isinstance(ask, kind)]
            # Equal lengths side by side waste the least padding; the longest first shows at once
            # whether memory suffices.
            places.sort(key=lambda place: -_length(requests[place]))
            size = self._options.batch_size or _DEFAULT_BATCH_SIZE
            for start in range(0, len(places), size):
                batch = places[start : start + size]
                outcomes = await anyio.to_thread.run_sync(
                    run,
                    [requests[place] for place in batch],
                    [seeds[place] for place in batch],
                    limiter=self._one_at_a_time,
                )
                await sink.deliver(list(zip(batch, outcomes, strict=True)))

    async def aclose(self) -> None:
        self.__dict__.pop("_network", None)

    def _split(self, request: LogLikelihood) -> tuple[list[int], list[int]]:
        """Token ids of context and continuation, split as lm-evaluation-harness does."""
        context, continuation = request.context, request.continuation
        encode = self._tokenizer.encode
        if not context:
            ids = encode(continuation, add_special_tokens=False)
            first = self._tokenizer.bos_token_id
            prefix = self._tokenizer.eos_token_id if first is None else first
            return ([prefix], ids) if ids[:1] != [prefix] else (ids[:1], ids[1:])
        blanks = len(context) - len(context.rstrip())
        if blanks:
            continuation = context[-blanks:] + continuation
            context = context[:-blanks]
        whole, head = encode(context + continuation), encode(context)
        return whole[: len(head)], whole[len(head) :]

    def _score_batch(self, requests: list[Any], seeds: list[int]) -> list[TokenLogProbs]:
        import torch

        pairs = [self._split(request) for request in requests]
        rows = [(head + tail)[:-1] for head, tail in pairs]
        ids, mask = self._pad(rows, left=False)
        with torch.inference_mode():
            logits = self._network(input_ids=ids, attention_mask=mask).logits
            answers = []
            for row, (head, tail) in enumerate(pairs):
                scores = logits[row, len(head) - 1 : len(head) - 1 + len(tail)].float()
                targets = torch.tensor(tail, device=scores.device, dtype=torch.long)
                values = scores.log_softmax(-1).gather(-1, targets[:, None])[:, 0]
                greedy = bool((scores.argmax(-1) == targets).all())
                per_token = tuple(float(value) for value in values)
                answers.append(TokenLogProbs(float(values.sum()), per_token, greedy))
        return answers

    def _pad(self, rows: list[list[int]], *, left: bool) -> tuple[torch.Tensor, torch.Tensor]:
        import torch

        width = max(len(row) for row in rows)
        pad = self._tokenizer.pad_token_id
        ids, mask = [], []
        for row in rows:
            fill, zeros = [pad] * (width - len(row)), [0] * (width - len(row))
            ids.append(fill + row if left else row + fill)
            mask.append(zeros + [1] * len(row) if left else [1] * len(row) + zeros)
        return torch.tensor(ids, device=self._device), torch.tensor(mask, device=self._device)

    def _prompt_ids(self, request: Generate) -> list[int]:
        if isinstance(request.prompt, str):
            ids: list[int] = self._tokenizer.encode(request.prompt)
            return ids or [self._tokenizer.eos_token_id]
        messages = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
        text = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _generate_batch(self, requests: list[Any], seeds: list[int]) -> list[Completion]:
        """Token by token; a row leaves at its own limit or end-of-text token."""
        import torch

        from llmprof.backends._sampling import next_tokens

        rows = [self._prompt_ids(request) for request in requests]
        ids, mask = self._pad(rows, left=True)
        ends = _end_tokens(self._network, self._tokenizer)
        written: list[list[int]] = [[] for _ in rows]
        reasons = [""] * len(rows)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        past = None
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        with torch.inference_mode():
            while not all(reasons):
                out = self._network(
                    input_ids=ids,
                    attention_mask=mask,
                    position_ids=positions,
                    past_key_values=past,
                    use_cache=True,
                    logits_to_keep=1,
                )
                past = out.past_key_values
                tokens = next_tokens(
                    out.logits[:, -1].float(), [ask.sampling for ask in requests], generators
                )
                for row, token in enumerate(tokens):
                    self._take(row, token, requests[row], ends, written, reasons)
                ids = torch.tensor(tokens, device=self._device)[:, None]
                mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
                positions = positions[:, -1:] + 1
        return [self._completion(*each) for each in zip(requests, written, reasons, strict=True)]

    def _take(
        self,
        row: int,
        token: int,
        request: Generate,
        ends: set[int],
        written: list[list[int]],
        reasons: list[str],
    ) -> None:
        """Add one token to a row that still runs, and say whether it ends there."""
        if reasons[row]:
            return
        if token in ends:
            reasons[row] = "stop"
            return
        written[row].append(token)
        stops = request.sampling.stop
        if stops and any(stop in self._tokenizer.decode(written[row]) for stop in stops):
            reasons[row] = "stop"
        elif len(written[row]) >= request.sampling.max_new_tokens:
            reasons[row] = "length"

    def _completion(self, request: Generate, tokens: list[int], reason: str) -> Completion:
        text = self._tokenizer.decode(tokens, skip_special_tokens=True)
        for stop in request.sampling.stop:
            text = text.split(stop, 1)[0]
        return Completion(text, len(tokens), reason)


def _length(request: Any) -> int:
    if isinstance(request, LogLikelihood):
        return len(request.context) + len(request.continuation)
    if isinstance(request, Generate):
        prompt = request.prompt
        return len(prompt) if isinstance(prompt, str) else sum(len(turn.content) for turn in prompt)
    return len(request.text)


def _end_tokens(network: Any, tokenizer: Any) -> set[int]:
    configured = network.generation_config.eos_token_id
    ends = configured if isinstance(configured, list) else [configured]
    return {token for token in [*ends, tokenizer.eos_token_id] if token is not None}
