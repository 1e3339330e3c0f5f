"""Loads a local model: configuration, tokenizer and network; computes its identity."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from llmprof.backends.huggingface.adapters import apply_adapter
from llmprof.backends.huggingface.architecture import (
    AUTO_CLASSES,
    Task,
    check_config,
    check_parameters,
    language_task,
)
from llmprof.backends.huggingface.chat_template import has_system_role, render_chat
from llmprof.backends.huggingface.corrections import (
    corrected_in_model,
    corrected_in_request,
    correction_facts,
)
from llmprof.backends.huggingface.foreign_code import (
    first_line,
    is_foreign,
    named_as_scorer,
    quiet_transformers,
)
from llmprof.backends.huggingface.hub import pickle_folder
from llmprof.backends.huggingface.limits import longest_input
from llmprof.backends.huggingface.load_options import (
    TORCH_DTYPES,
    best_device,
    bitsandbytes_settings,
    check_options,
    check_quantization,
    checkpoint_quantization,
)
from llmprof.backends.huggingface.model_files import find_adapter, find_model
from llmprof.backends.huggingface.tokenization import Encoder
from llmprof.backends.huggingface.weights import MODEL, check_layers, check_pickles, parameter_count
from llmprof.backends.protocol import BackendOptions
from llmprof.backends.thinking import Thinking, thinking_of
from llmprof.cache.facts import remembered
from llmprof.errors import BackendError, MissingDependencyError, ModelNotFoundError, UsageError
from llmprof.requests import Message, Request

_LOG = logging.getLogger(__name__)
# A tokenizer that knows no limit states an absurdly large one.
_NO_LIMIT = 1_000_000
# Raised when more is read of a model: older notes of it are then not used.
_FACTS = 3
# Of these names is every file that a tokenizer is made from.
_TOKENIZER_FILES = (
    *("tokenizer*.json", "vocab*", "*.model", "*.spm", "*.tiktoken", "*.bpe", "tekken.json"),
    "merges.txt",
)


class LocalModel:
    """One model on this machine. Its `files` are found at once; weights load when first used.

    `task` None means a language model of the kind that its configuration says.

    Raises:
        UsageError: an option holds a value that does not exist, or options contradict each other.
        ModelNotFoundError: there is no such model or adapter.
        MissingDependencyError: the model needs a package that is not installed.
        BackendError: the model's files cannot be read.
    """

    def __init__(self, options: BackendOptions, task: Task | None = None) -> None:
        check_options(options)
        self._options = options
        self._stated_task = task
        self._cache_dir = cache_dir = options.cache_dir or user_cache_path("llmprof")
        with named_as_scorer(task == "classification"):
            self.files = find_model(
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
        self._refuse_named_weights()
        self.task: Task = task or self._facts["task"]

    @property
    def name(self) -> str:
        """The model's name as results show it; an adapter is named after a plus sign."""
        return self.files.name + (f" + {self._adapter.name}" if self._adapter else "")

    @cached_property
    def identity(self) -> Mapping[str, Any]:
        """What can change an answer of this model, and nothing else."""
        return {
            **self.files.identity,
            "adapter": None if self._adapter is None else self._adapter.identity,
            "dtype": self.dtype,
            "quantization": self._checkpoint_quantization or self._options.quantize,
            "chat_template": hashlib.sha256(self.chat_template.encode()).hexdigest(),
            "own_code": self._options.trust_remote_code and "auto_map" in self._config_values,
            **corrected_in_model(self._facts, self.dtype),
            **({} if self.thinking is None else {"thinking": self.thinking.mode}),
        }

    @cached_property
    def thinking(self) -> Thinking | None:
        """What the user wants of the model's thoughts (see `thinking_of`)."""
        return thinking_of(self.chat_template, self._options.thinking, self.name)

    def corrections(self, request: Request) -> Mapping[str, str]:
        """What earlier versions may have answered wrongly: see `Corrected`."""
        return corrected_in_request(self._facts, request)

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
    def parameters(self) -> int | None:
        """How many parameters the weights have; None where their files are not here yet."""
        return parameter_count(self._folder, self.files.weights)

    @cached_property
    def config(self) -> Any:
        """The model's configuration, as transformers has it."""
        from transformers import AutoConfig

        return self._load("the configuration", AutoConfig.from_pretrained, self.files.path)

    @cached_property
    def max_length(self) -> int:
        """Most tokens that one sequence may have, special tokens included."""
        limit = longest_input(self.config.get_text_config()) or _NO_LIMIT
        stated = self.tokenizer.model_max_length
        return int(min(limit, stated if stated < _NO_LIMIT else limit))

    @cached_property
    def tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        self._refuse_missing_tokenizer()
        tokenizer = self._load("the tokenizer", AutoTokenizer.from_pretrained, self.files.path)
        if not len(tokenizer):
            raise self._no_tokenizer
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        return tokenizer

    @cached_property
    def encoder(self) -> Encoder:
        """Turns texts into token ids that the loaded network can read."""
        return Encoder(self.tokenizer, self.name, self.render, self.vocabulary, self.thinking)

    @cached_property
    def vocabulary(self) -> int | None:
        """Number of tokens that the network has embeddings for, None when it does not say."""
        try:
            return int(self.network.get_input_embeddings().weight.shape[0])
        except (AttributeError, NotImplementedError):
            return None

    def render(self, messages: Sequence[Message], *, continue_last: bool = False) -> str:
        """A conversation as the text of the model's chat template.

        Raises:
            BackendError: the template is broken, or refuses such a conversation.
        """
        return render_chat(
            self.tokenizer, self.name, messages, self.thinking, continue_last=continue_last
        )

    @property
    def pad_token_id(self) -> int:
        """What fills short rows; a model without padding gets any token, since it is masked."""
        pad = self.tokenizer.pad_token_id or 0
        return pad if self.vocabulary is None or pad < self.vocabulary else 0

    @cached_property
    def network(self) -> Any:
        """The weights, in evaluation mode, on `device` or spread as `--device-map` says.

        Attention is scaled dot-product attention (`sdpa`) where the architecture has it. It is
        exact, like the eager one, and does not keep a matrix of length times length for each head.
        """
        import transformers

        check_layers(self._config_values, self._folder, self.files.weights, self.name)
        check_parameters(self.config, self.task, self.parameters, self.name)
        network, report = self._load(
            "the weights",
            getattr(transformers, AUTO_CLASSES[self.task]).from_pretrained,
            self._weights_path,
            dtype=self._torch_dtype,
            device_map=self._options.device_map or {"": self.device},
            **bitsandbytes_settings(self._options.quantize, self._torch_dtype),
            use_safetensors=not self.files.pickled,
            weights_only=True,
            output_loading_info=True,
        )
        self._refuse_missing(report["missing_keys"])
        self._tell_unused(report["unexpected_keys"])
        if self._adapter is not None:
            network = apply_adapter(network, self._adapter)
        return network.eval()

    def unload(self) -> None:
        """Free the weights; they load again when next used."""
        self.__dict__.pop("network", None)

    @property
    def _folder(self) -> Path:
        return self.files.folder or Path(self.files.path)

    @property
    def _weights_path(self) -> str:
        """What transformers loads the weights from; pickles are looked at before that."""
        if not self.files.pickled:
            return self.files.path
        folder = Path(self.files.path)
        if self.files.revision is not None:
            folder = pickle_folder(self.files.path, self.files.revision, MODEL)
        check_pickles(folder, self.files.weights)
        return str(folder)

    @property
    def chat_template(self) -> str:
        """The tokenizer's chat template; empty where it has none."""
        return str(self._facts["chat_template"])

    @property
    def system_role(self) -> bool:
        """Whether the chat template takes a system message."""
        return bool(self._facts["system_role"])

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
            **self.files.identity,
            "own_code": self._options.trust_remote_code,
            "transformers": version("transformers"),
            "facts": _FACTS,
        }
        return remembered(self._cache_dir / "facts", json.dumps(seen), self._read_facts)

    def _read_facts(self) -> Mapping[str, Any]:
        from transformers import PreTrainedConfig

        found = self._load("the configuration", PreTrainedConfig.get_config_dict, self.files.path)
        values = check_config(found[0], self.name)
        template = str(getattr(self.tokenizer, "chat_template", None) or "")
        task = self._stated_task or language_task(values, self.name)
        return {
            "config": values,
            "task": task,
            "chat_template": template,
            "system_role": not template or has_system_role(self.tokenizer),
            **correction_facts(
                self.tokenizer, task, values, own_code=self._options.trust_remote_code
            ),
        }

    @property
    def _torch_dtype(self) -> Any:
        import torch

        return "auto" if self.dtype == "checkpoint" else getattr(torch, TORCH_DTYPES[self.dtype])

    def _refuse_named_weights(self) -> None:
        # transformers lets a configuration name other weights, which would not be fingerprinted.
        named = self._config_values.get("transformers_weights")
        if named and named != self.files.weights:
            raise UsageError(
                f"the configuration of model {self.name} names {named} as its weights; remove "
                f"transformers_weights from its config.json and call the file {MODEL.safetensors}"
            )

    def _refuse_missing_tokenizer(self) -> None:
        folder = Path(self.files.path)
        if self.files.revision is None and not any(
            next(folder.glob(pattern), None) for pattern in _TOKENIZER_FILES
        ):
            raise self._no_tokenizer

    @property
    def _no_tokenizer(self) -> ModelNotFoundError:
        return ModelNotFoundError(
            f"model {self.files.path} has no tokenizer: there is no tokenizer.json, nor a "
            "tokenizer.model, vocab.json or vocab.txt that can be read; copy the tokenizer's files "
            "beside its config.json"
        )

    def _refuse_missing(self, missing: set[str]) -> None:
        # transformers draws missing weights at random and only warns.
        if missing:
            raise BackendError(
                f"model {self.name} has no weights for {sorted(missing)[0]} and {len(missing) - 1} "
                f"more; it is not a model for this use ({AUTO_CLASSES[self.task]})"
            )

    def _tell_unused(self, unused: set[str]) -> None:
        # Of a checkpoint of another kind of model a part is left out, and numbers are of the rest.
        if unused:
            _LOG.warning(
                "llmprof: %d weights of %s are not used by %s, such as %s",
                len(unused),
                self.name,
                AUTO_CLASSES[self.task],
                sorted(unused)[0],
            )

    def _from_here_first(self, load: Any, path: str, **settings: Any) -> Any:
        """Load, asking the Hub only for what is not on this machine.

        By a model's id transformers would ask it for every file that a model may have, and wait
        long for each where there is no network.
        """
        settings["trust_remote_code"] = self._options.trust_remote_code
        if self.files.folder is not None:
            # The weights are here; a tokenizer or code may still be missing.
            with suppress(OSError, ValueError):
                return load(str(self.files.folder), local_files_only=True, **settings)
        return load(
            path,
            revision=self.files.revision,
            local_files_only=self._options.offline,
            **settings,
        )

    def _load(self, what: str, load: Any, path: str, **settings: Any) -> Any:
        """Call one of transformers' loaders and put its errors into words of one line."""
        import torch

        quiet_transformers()
        try:
            return self._from_here_first(load, path, **settings)
        except torch.OutOfMemoryError as error:
            raise BackendError(
                f"model {self.files.name} does not fit on {self.device}; try --dtype bf16, "
                "--quantize 4bit or --device-map auto"
            ) from error
        except ImportError as error:
            raise MissingDependencyError(
                f"cannot load {what} of model {self.files.name}: {first_line(error)}"
            ) from error
        except BaseException as error:  # Broken files, and a model's own code, raise anything.
            if not is_foreign(error):
                raise
            if "trust_remote_code" in str(error):
                raise UsageError(
                    f"model {self.files.name} runs Python code of its own; read that code, then "
                    "add --trust-remote-code"
                ) from error
            raise BackendError(
                f"cannot load {what} of model {self.files.path}: {first_line(error)}; check that "
                "its files are complete"
            ) from error
