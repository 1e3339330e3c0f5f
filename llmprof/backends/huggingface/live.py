"""A model that is already in memory, such as one in training, with the interface of a loaded
model."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from llmprof.backends.huggingface.architecture import Task, language_task
from llmprof.backends.huggingface.chat_template import has_system_role, render_chat
from llmprof.backends.huggingface.limits import longest_input
from llmprof.backends.huggingface.load_options import TORCH_DTYPES
from llmprof.backends.huggingface.tokenization import Encoder
from llmprof.errors import UsageError
from llmprof.requests import Message, Request

# A tokenizer that knows no limit states an absurdly large one.
_NO_LIMIT = 1_000_000
# What of a configuration changes no answer.
_IRRELEVANT = ("_name_or_path", "transformers_version", "use_cache", "dtype", "torch_dtype")


class LiveModel:
    """A network with its tokenizer; `identity` is of the weights as they are now.

    `network` may be wrapped by PEFT. `precision` names what is cast automatically while it runs,
    such as `bf16`.

    Raises:
        UsageError: it is no causal or masked language model, its weights are divided among
            processes, or it has a learned prompt.
    """

    def __init__(
        self, name: str, network: Any, tokenizer: Any, *, precision: str | None = None
    ) -> None:
        self.name = name
        self.network = _without_wrapper(network)
        self.tokenizer = tokenizer
        self._precision = precision
        check_whole(self.network)
        self.task: Task = language_task(self.config.to_dict(), name)
        if self.task not in ("causal", "masked"):
            raise UsageError(
                f"model {name} is not profiled while it trains ({self.task}); profile its saved "
                "checkpoints with `llmprof profile --series`"
            )

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What can change an answer: weights, configuration, tokenizer and chat template."""
        return {
            "live": _fingerprint(self.network),
            "config": _digest(self._settings),
            "tokenizer": _digest(self._tokenizer_state),
            "adapter": None,
            "dtype": self.dtype,
            "quantization": "none",
            "precision": self._precision,
            "chat_template": _digest(self.chat_template),
        }

    def corrections(self, request: Request) -> Mapping[str, str]:
        """None: no earlier version profiled a live model."""
        return {}

    @property
    def _settings(self) -> str:
        values = {
            name: value for name, value in self.config.to_dict().items() if name not in _IRRELEVANT
        }
        generation = getattr(self.network, "generation_config", None)
        ends = None if generation is None else generation.eos_token_id
        attention = getattr(self.config, "_attn_implementation", None)
        return json.dumps([values, ends, attention], sort_keys=True, default=str)

    @property
    def _tokenizer_state(self) -> str:
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None:
            return str(backend.to_str())
        return json.dumps(self.tokenizer.get_vocab(), sort_keys=True)

    @property
    def config(self) -> Any:
        return self.network.config

    @property
    def parameters(self) -> int:
        return sum(each.numel() for each in self.network.parameters())

    @property
    def weight_bytes(self) -> int:
        """Memory of the weights."""
        return sum(each.numel() * each.element_size() for each in self.network.parameters())

    @property
    def device(self) -> str:
        return str(next(self.network.parameters()).device)

    @property
    def dtype(self) -> str:
        """`fp32`, `bf16` or `fp16`, or what PyTorch calls it."""
        name = str(next(self.network.parameters()).dtype).removeprefix("torch.")
        return next((short for short, full in TORCH_DTYPES.items() if full == name), name)

    @cached_property
    def max_length(self) -> int:
        """Most tokens that one sequence may have, special tokens included."""
        limit = longest_input(self.config.get_text_config()) or _NO_LIMIT
        return int(min(limit, self.tokenizer.model_max_length))

    @cached_property
    def encoder(self) -> Encoder:
        return Encoder(self.tokenizer, self.name, self.render, self.vocabulary)

    @cached_property
    def vocabulary(self) -> int:
        return int(self.network.get_input_embeddings().weight.shape[0])

    @property
    def pad_token_id(self) -> int:
        """What fills short rows; a model without padding gets any token, since it is masked."""
        tokenizer = self.tokenizer
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        return pad if pad < self.vocabulary else 0

    @property
    def chat_template(self) -> str:
        return str(getattr(self.tokenizer, "chat_template", None) or "")

    @property
    def system_role(self) -> bool:
        return not self.chat_template or has_system_role(self.tokenizer)

    def render(self, messages: Sequence[Message], *, continue_last: bool = False) -> str:
        return render_chat(self.tokenizer, self.name, messages, continue_last=continue_last)

    def unload(self) -> None:
        """Does nothing: the weights belong to the training."""


def check_whole(network: Any) -> None:
    """Refuse a network of whose weights this process has only a part.

    Raises:
        UsageError: they are divided among processes.
    """
    for name, parameter in network.named_parameters():
        kind = type(parameter).__name__
        if hasattr(parameter, "ds_id") or kind in ("DTensor", "FlatParameter"):
            raise UsageError(
                f"the weights are divided among processes ({name}), as FSDP and DeepSpeed ZeRO-3 "
                "do; profile the saved checkpoints with `llmprof profile --series`"
            )
        if parameter.is_meta:
            raise UsageError(f"the weights are not in memory ({name}); nothing can be profiled")


@contextmanager
def at_rest(network: Any) -> Iterator[None]:
    """The network without dropout; afterwards all is as before, to the state of the generators.

    Modes of modules are put back one by one, since a training may have frozen some.
    """
    import numpy as np
    import torch

    modes = [(module, module.training) for module in network.modules()]
    states = random.getstate(), np.random.get_state()
    on_devices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    network.eval()
    try:
        with torch.random.fork_rng(on_devices):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
        random.setstate(states[0])
        np.random.set_state(states[1])
        _leave_inference(network)


def _leave_inference(network: Any) -> None:
    """Copy buffers that were made in inference mode: no gradient could be computed with them."""
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_inference():
                module._buffers[name] = buffer.clone()


def _without_wrapper(network: Any) -> Any:
    """The model of transformers within PEFT's, which has the adapter's layers in it."""
    if not hasattr(network, "peft_config"):
        return network
    if any(config.is_prompt_learning for config in network.peft_config.values()):
        raise UsageError(
            "the adapter is a learned prompt, which llmprof does not run; train one that changes "
            "the network, such as LoRA"
        )
    return network.get_base_model() if hasattr(network, "get_base_model") else network


def _fingerprint(network: Any) -> str:
    """SHA-256 of all weights and buffers, with their names."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        if isinstance(tensor, torch.Tensor):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
