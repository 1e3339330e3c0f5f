"""Which model answers the requests, and how it is loaded or reached."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.option import Option, Options, Panel, values_of

DEFAULT_BACKEND = "huggingface"
DTYPES = ("auto", "fp32", "bf16", "fp16")
QUANTIZATIONS = ("none", "8bit", "4bit")
# The values of accelerate, in which "auto" is the same as "balanced" today.
DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")
EXECUTORS = ("mp", "ray", "uni")
THINKING_MODES = ("off", "on", "strip")
SAFETY_MODES = ("CONTEXTUAL", "STRICT", "OFF")

# Toxicity scorers have these options too.
Device = Annotated[
    str,
    Option(
        "auto, cpu, cuda or cuda:N; for several worker processes cpu:N, all (GPUs), a list such as "
        "cuda:0,cuda:1, or groups such as cuda:0+cuda:1,cuda:2+cuda:3 with --device-map.",
        panel=Panel.MODEL,
        is_list=True,
    ),
]
Cluster = Annotated[
    str | None,
    Option(
        "Ray cluster that answers the requests: auto for the one of this machine, or "
        "ray://HOST:10001.",
        panel=Panel.MODEL,
        metavar="auto|ADDRESS",
        sensitive=True,
    ),
]
AllowPickle = Annotated[
    bool,
    Option(
        "Read weights from a pickle (.bin) if there are no safetensors.",
        panel=Panel.MODEL,
        sensitive=True,
    ),
]
Offline = Annotated[
    bool, Option("Fail at once if a model or data set is not on this machine.", panel=Panel.WORK)
]


@dataclass(frozen=True)
class ModelName(Options):
    """Which model answers the requests."""

    model: Annotated[
        str | None,
        Option(
            "A Hub id, a local folder, a GGUF file, or a provider's model. "
            "Default: SmolLM2-135M-Instruct.",
            is_argument=True,
            completion="models",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class BackendChoice(Options):
    """Who answers the requests."""

    backend: Annotated[
        str,
        Option(
            "Backend that answers the requests: huggingface, vllm, openai, cohere, replay, "
            "scripted or an installed one.",
            panel=Panel.MODEL,
            completion="backends",
        ),
    ] = DEFAULT_BACKEND


@dataclass(frozen=True, kw_only=True)
class LoadingOptions(Options):
    """How a model is loaded or reached.

    `batch_size` None is automatic; any other None leaves the choice to the backend.
    """

    revision: Annotated[
        str | None, Option("Branch, tag or commit of a Hub model.", panel=Panel.MODEL)
    ] = None
    adapter: Annotated[
        str | None, Option("Folder or Hub id of a PEFT adapter.", panel=Panel.MODEL, sensitive=True)
    ] = None
    dtype: Annotated[
        str,
        Option(
            "auto, fp32, bf16 or fp16; auto is fp32 on CPU and bf16 on CUDA.",
            panel=Panel.MODEL,
            choices=DTYPES,
        ),
    ] = "auto"
    quantize: Annotated[
        str,
        Option(
            "none, 8bit or 4bit (bitsandbytes).",
            panel=Panel.MODEL,
            choices=QUANTIZATIONS,
            noun="quantization",
        ),
    ] = "none"
    device: Device = "auto"
    device_map: Annotated[
        str | None,
        Option(
            "auto spreads a model that is larger than one GPU.",
            panel=Panel.MODEL,
            choices=DEVICE_MAPS,
        ),
    ] = None
    cluster: Cluster = None
    batch_size: Annotated[
        int | None,
        Option(
            "Sequences per batch.", panel=Panel.MODEL, metavar="auto|N", low=1, default_text="auto"
        ),
    ] = None
    trust_remote_code: Annotated[
        bool,
        Option("Run Python code from the model's repository.", panel=Panel.MODEL, sensitive=True),
    ] = False
    allow_pickle: AllowPickle = False
    thinking: Annotated[
        str | None,
        Option(
            "off or on switches the reasoning of a chat model off or on, by its chat template; "
            "strip switches it on and keeps only the text after it. Default: as the template does.",
            panel=Panel.MODEL,
            choices=THINKING_MODES,
        ),
    ] = None
    base_url: Annotated[
        str | None,
        Option(
            "Address of an OpenAI-compatible server, such as http://localhost:8000/v1.",
            panel=Panel.NETWORK,
            sensitive=True,
        ),
    ] = None
    server_command: Annotated[
        str | None,
        Option(
            "Start this OpenAI-compatible server for the run, such as 'transformers serve {model} "
            "--port {port}'; with --backend vllm, the command for `vllm serve`.",
            panel=Panel.NETWORK,
            metavar="COMMAND",
            sensitive=True,
        ),
    ] = None
    server_wait: Annotated[
        float | None,
        Option(
            "Seconds that a server may take to start. Default: 1800.",
            panel=Panel.NETWORK,
            metavar="SECONDS",
            low=0.001,
        ),
    ] = None
    tensor_parallel_size: Annotated[
        int | None,
        Option("GPUs that vLLM splits the model over.", panel=Panel.MODEL, metavar="N", low=1),
    ] = None
    data_parallel_size: Annotated[
        int | None,
        Option("Copies of the model that vLLM runs.", panel=Panel.MODEL, metavar="N", low=1),
    ] = None
    executor: Annotated[
        str | None,
        Option("How vLLM runs its GPUs: mp, ray or uni.", panel=Panel.MODEL, choices=EXECUTORS),
    ] = None
    concurrency: Annotated[
        int | None,
        Option(
            "Maximum number of concurrent requests.",
            panel=Panel.NETWORK,
            metavar="N",
            low=1,
            high=10_000,
        ),
    ] = None
    rpm: Annotated[
        float | None,
        Option(
            "Requests per minute that the provider allows.",
            panel=Panel.NETWORK,
            metavar="N",
            low=0.001,
        ),
    ] = None
    timeout: Annotated[
        float | None,
        Option(
            "Seconds to wait for an answer before retrying.",
            panel=Panel.NETWORK,
            metavar="SECONDS",
            low=0.001,
        ),
    ] = None
    max_response_mib: Annotated[
        float,
        Option(
            "Maximum size of an answer, in MiB after decompression.",
            panel=Panel.NETWORK,
            metavar="MIB",
            low=0.001,
        ),
    ] = 32.0
    safety_mode: Annotated[
        str | None,
        Option(
            "Cohere's safety mode: CONTEXTUAL, STRICT or OFF.",
            panel=Panel.NETWORK,
            choices=SAFETY_MODES,
        ),
    ] = None
    bos_token: Annotated[
        str | None,
        Option(
            "Beginning-of-text token to put before every prompt, for an OpenAI-compatible server "
            "that does not add it.",
            panel=Panel.NETWORK,
            metavar="TEXT",
        ),
    ] = None
    offline: Offline = False


@dataclass(frozen=True, kw_only=True)
class BackendOptions(ModelName, LoadingOptions):
    """All settings of a backend.

    `cache_dir` contains converted models and measurements of this machine. `label_map`, a file, and
    the `language` of texts are for scorers. `sharers` is the number of workers that share the
    device and its memory. Keys and tokens are not included: each backend reads its own from the
    environment, so that none is stored by accident.
    """

    cache_dir: Path | None = None
    label_map: Path | None = None
    language: str = "en"
    sharers: int = 1


def backend_options(
    options: LoadingOptions, cache_dir: Path, model: str | None = None
) -> BackendOptions:
    """The settings of a command's backend; `model` None is the backend's default."""
    return BackendOptions(model, cache_dir=cache_dir, **values_of(LoadingOptions, options))
