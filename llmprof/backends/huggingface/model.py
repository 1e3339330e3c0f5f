"""Loads a local model: configuration, tokenizer and network; computes its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_cache_path

from llmprof.backends.huggingface.adapters import apply_adapter
from llmprof.backends.huggingface.gguf import quiet_transformers
from llmprof.backends.huggingface.hub import pickle_folder
from llmprof.backends.huggingface.load_options import (
    TORCH_DTYPES,
    best_device,
    bitsandbytes_config,
    check_options,
    check_quantization,
    checkpoint_quantization,
)
from llmprof.backends.huggingface.model_files import find_adapter, find_model
from llmprof.backends.huggingface.weights import MODEL, check_pickles
from llmprof.backends.protocol import BackendOptions
from llmprof.cache.facts import remembered
from llmprof.errors import BackendError, MissingDependencyError, UsageError

Task = Literal["causal", "masked", "classification"]
_AUTO_CLASSES: Mapping[Task, str] = {
    "causal": "AutoModelForCausalLM",
    "masked": "AutoModelForMaskedLM",
    "classification": "AutoModelForSequenceClassification",
}
# A tokenizer that knows no limit states an absurdly large one.
_NO_LIMIT = 1_000_000


class LocalModel:
    """One model on this machine. Its files are found at once; weights load when first used.

    `task` None means a language model, masked or causal as its configuration says.

    Raises:
        UsageError: an option holds a value that does not exist, or options contradict each other.
        ModelNotFoundError: there is no such model or adapter.
        MissingDependencyError: the model needs a package that is not installed.
        BackendError: the model's files cannot be read.
    """

    def __init__(self, options: BackendOptions, task: Task | None = None) -> None:
        check_options(options)
        self._options = options
        self._cache_dir = cache_dir = options.cache_dir or user_cache_path("llmprof")
        self._files = find_model(
            options.model,
            revision=options.revision,
            offline=options.offline,
            cache_dir=cache_dir,
            allow_pickle=options.allow_pickle,
        )
        self._adapter = (
            None
            if options.adapter is None
            else find_adapter(
                options.adapter,
                offline=options.offline,
                cache_dir=cache_dir,
                allow_pickle=options.allow_pickle,
            )
        )
        self._checkpoint_quantization = checkpoint_quantization(self._config_values)
        check_quantization(self.name, self._checkpoint_quantization, options.quantize)
        self._refuse_named_pickle()
        self.task: Task = task or _language_task(self._config_values)

    @property
    def name(self) -> str:
        """The model's name as results show it; an adapter is named after a plus sign."""
        return self._files.name + (f" + {self._adapter.name}" if self._adapter else "")

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What can change an answer of this model, and nothing else."""
        return {
            **self._files.identity,
            "adapter": None if self._adapter is None else self._adapter.identity,
            "dtype": self.dtype,
            "quantization": self._checkpoint_quantization or self._options.quantize,
            "chat_template": hashlib.sha256(self.chat_template.encode()).hexdigest(),
            "own_code": self._options.trust_remote_code and "auto_map" in self._config_values,
        }

    @cached_property
    def device(self) -> str:
        """Where token ids go: `cpu`, `cuda` or `cuda:N`."""
        return best_device() if self._options.device == "auto" else self._options.device

    @cached_property
    def dtype(self) -> str:
        """`fp32`, `bf16` or `fp16`; `checkpoint` for what a quantized checkpoint says itself."""
        if self._options.dtype != "auto":
            return self._options.dtype
        if self._checkpoint_quantization is not None:
            return "checkpoint"
        return "fp32" if self.device == "cpu" else "bf16"

    @cached_property
    def config(self) -> Any:
        """The model's configuration, as transformers has it."""
        from transformers import AutoConfig

        return self._load("the configuration", AutoConfig.from_pretrained, self._files.path)

    @cached_property
    def max_length(self) -> int:
        """Most tokens that one sequence may have, special tokens included."""
        text_config = self.config.get_text_config()
        limit = getattr(text_config, "max_position_embeddings", None) or _NO_LIMIT
        if "roberta" in text_config.model_type:
            # RoBERTa and its kin count positions from one past the padding token's id.
            limit -= (text_config.pad_token_id or 0) + 1
        stated = self.tokenizer.model_max_length
        return int(min(limit, stated if stated < _NO_LIMIT else limit))

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        tokenizer = self._load("the tokenizer", AutoTokenizer.from_pretrained, self._files.path)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @property
    def pad_token_id(self) -> int:
        """What fills short rows; a model without padding gets any token, since it is masked."""
        return self.tokenizer.pad_token_id or 0

    @cached_property
    def network(self) -> Any:
        """The weights, in evaluation mode, on `device` or spread as `--device-map` says.

        Attention is scaled dot-product attention (`sdpa`) where the architecture has it. It is
        exact, like the eager one, and does not keep a matrix of length times length for each head.
        """
        import transformers

        network, report = self._load(
            "the weights",
            getattr(transformers, _AUTO_CLASSES[self.task]).from_pretrained,
            self._weights_path,
            dtype=self._torch_dtype,
            device_map=self._options.device_map or {"": self.device},
            quantization_config=bitsandbytes_config(self._options.quantize, self._torch_dtype),
            use_safetensors=not self._files.pickled,
            weights_only=True,
            output_loading_info=True,
        )
        self._refuse_missing(report["missing_keys"])
        if self._adapter is not None:
            network = apply_adapter(network, self._adapter)
        return network.eval()

    def unload(self) -> None:
        """Free the weights; they load again when next used."""
        self.__dict__.pop("network", None)

    @property
    def _weights_path(self) -> str:
        """What transformers loads the weights from; pickles are looked at before that."""
        if not self._files.pickled:
            return self._files.path
        folder = Path(self._files.path)
        if self._files.revision is not None:
            folder = pickle_folder(self._files.path, self._files.revision, MODEL)
        check_pickles(folder, self._files.weights)
        return str(folder)

    @property
    def chat_template(self) -> str:
        """The tokenizer's chat template; empty where it has none."""
        return str(self._facts["chat_template"])

    @property
    def _config_values(self) -> Mapping[str, Any]:
        """The configuration file as it is, before any code of the model's own is asked for."""
        return dict(self._facts["config"])

    @cached_property
    def _facts(self) -> Mapping[str, Any]:
        """What a run needs to know of a model whose every answer is in the cache.

        Remembered, since transformers and torch together take seconds to import.
        """
        seen = {
            **self._files.identity,
            "own_code": self._options.trust_remote_code,
            "transformers": version("transformers"),
        }
        return remembered(self._cache_dir / "facts", json.dumps(seen), self._read_facts)

    def _read_facts(self) -> Mapping[str, Any]:
        from transformers import PreTrainedConfig

        values, _ = self._load(
            "the configuration", PreTrainedConfig.get_config_dict, self._files.path
        )
        template = getattr(self.tokenizer, "chat_template", None)
        return {"config": dict(values), "chat_template": str(template or "")}

    @property
    def _torch_dtype(self) -> Any:
        import torch

        return "auto" if self.dtype == "checkpoint" else getattr(torch, TORCH_DTYPES[self.dtype])

    def _refuse_named_pickle(self) -> None:
        # transformers lets a configuration name the weights, and one name of a pickle among them.
        named = str(self._config_values.get("transformers_weights") or "")
        if named.endswith(".bin"):
            raise UsageError(
                f"the configuration of model {self.name} names a pickle, {named}, as its weights; "
                "remove transformers_weights from its config.json"
            )

    def _refuse_missing(self, missing: set[str]) -> None:
        # transformers draws missing weights at random and only warns.
        if missing:
            raise BackendError(
                f"model {self.name} has no weights for {sorted(missing)[0]} and {len(missing) - 1} "
                f"more; it is not a model for this use ({_AUTO_CLASSES[self.task]})"
            )

    def _from_here_first(self, load: Any, path: str, **settings: Any) -> Any:
        """Load, asking the Hub only for what is not on this machine.

        By a model's id transformers would ask it for every file that a model may have, and wait
        long for each where there is no network.
        """
        settings["trust_remote_code"] = self._options.trust_remote_code
        if self._files.folder is not None:
            # The weights are here; a tokenizer or code may still be missing.
            with suppress(OSError, ValueError):
                return load(str(self._files.folder), local_files_only=True, **settings)
        return load(
            path,
            revision=self._files.revision,
            local_files_only=self._options.offline,
            **settings,
        )

    def _load(self, what: str, load: Any, path: str, **settings: Any) -> Any:
        """Call one of transformers' loaders and put its errors into words of one line."""
        import torch
        from safetensors import SafetensorError

        quiet_transformers()
        try:
            return self._from_here_first(load, path, **settings)
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"model {self._files.name} does not fit on {self.device}; try --dtype bf16, "
                "--quantize 4bit or --device-map auto"
            ) from error
        except ImportError as error:
            raise MissingDependencyError(
                f"cannot load {what} of model {self._files.name}: {_first_line(error)}"
            ) from error
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            if "trust_remote_code" in str(error):
                raise UsageError(
                    f"model {self._files.name} runs Python code of its own; read that code, then "
                    "add --trust-remote-code"
                ) from error
            raise BackendError(
                f"cannot load {what} of model {self._files.path}: {_first_line(error)}; check that "
                "its files are complete"
            ) from error


def _language_task(config: Mapping[str, Any]) -> Task:
    names = config.get("architectures") or ()
    return "masked" if any(name.endswith("ForMaskedLM") for name in names) else "causal"


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__
