"""Loads a local model: tokenizer, network, precision, device, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from platformdirs import user_cache_path

from llmprof.backends.model_files import find_model
from llmprof.backends.protocol import BackendOptions
from llmprof.errors import BackendError, UnknownNameError

_TORCH_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}
DTYPES = ("auto", *_TORCH_DTYPES)


class LocalModel:
    """One model on this machine. Its files are found at once; weights load when first used.

    Raises:
        UnknownNameError: an option holds a value that does not exist.
        ModelNotFoundError: there is no such model.
    """

    def __init__(self, options: BackendOptions) -> None:
        import transformers

        if options.dtype not in DTYPES:
            raise UnknownNameError(
                f"unknown dtype {options.dtype!r}; choose one of: {', '.join(DTYPES)}"
            )
        transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        self._options = options
        self._files = find_model(
            options.model,
            revision=options.revision,
            offline=options.offline,
            models_dir=(options.cache_dir or user_cache_path("llmprof")) / "models",
        )

    @property
    def name(self) -> str:
        return self._files.name

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What can change an answer of this model, and nothing else."""
        template = str(self.tokenizer.chat_template or "")
        return {
            "model": self._files.name,
            "revision": self._files.revision,
            "fingerprint": self._files.fingerprint,
            "adapter": self._options.adapter,
            "dtype": self.dtype,
            "quantization": self._options.quantize,
            "chat_template": hashlib.sha256(template.encode()).hexdigest(),
        }

    @cached_property
    def device(self) -> str:
        """Where token ids go: `cpu`, `cuda` or `cuda:N`."""
        import torch

        if self._options.device != "auto":
            return self._options.device
        return "cuda" if torch.cuda.is_available() else "cpu"

    @cached_property
    def dtype(self) -> str:
        """`fp32`, `bf16` or `fp16`."""
        if self._options.dtype != "auto":
            return self._options.dtype
        return "fp32" if self.device == "cpu" else "bf16"

    @cached_property
    def tokenizer(self) -> Any:
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
    def network(self) -> Any:
        """The weights, in evaluation mode, on `device`."""
        import torch
        from transformers import AutoModelForCausalLM

        try:
            network: Any = AutoModelForCausalLM.from_pretrained(
                self._files.path,
                revision=self._files.revision,
                dtype=getattr(torch, _TORCH_DTYPES[self.dtype]),
                local_files_only=self._options.offline,
                trust_remote_code=self._options.trust_remote_code,
            )
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise BackendError(
                f"cannot load model {self._files.path}: {reason}; check that the folder is complete"
            ) from error
        return network.to(self.device).eval()

    def unload(self) -> None:
        """Free the weights; they load again when next used."""
        self.__dict__.pop("network", None)
