"""vLLM as the engine: the command line of `vllm serve`, and what identifies it."""

from __future__ import annotations

import shutil

from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.managed.child_server import HOST
from llmprof.backends.managed.program import PORT, engine_of, words_of
from llmprof.backends.managed.served_model import OF_CLIENT, ServedModel, ServerEngine
from llmprof.backends.protocol import BackendOptions, reads
from llmprof.errors import UsageError

_DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16", "checkpoint": "auto"}


@reads(
    *("revision", "dtype", "quantize", "trust_remote_code", "server_command", "server_wait"),
    *("tensor_parallel_size", "data_parallel_size", "executor", *OF_CLIENT),
)
def create_vllm(options: BackendOptions) -> ServedModel:
    """Start `vllm serve` for the model; `--server-command` is another way to call it.

    Raises:
        UsageError: there is no vLLM, or it has no such quantization.
        ModelNotFoundError: there is no such model.
    """
    if options.quantize == "8bit":
        raise UsageError(
            "vLLM does not quantize to 8 bits by bitsandbytes; use --quantize 4bit, or name a "
            "checkpoint that is quantized"
        )
    command = words_of(options.server_command) if options.server_command else _found_vllm()
    model = LocalModel(
        BackendOptions(
            options.model,
            revision=options.revision,
            dtype=options.dtype,
            trust_remote_code=options.trust_remote_code,
            offline=options.offline,
            cache_dir=options.cache_dir,
        )
    )
    program = command[:-1] if command[-1] == "serve" else command
    dtype = model.dtype
    words = [
        *(*command, model.files.location, "--host", HOST, "--port", PORT),
        *("--served-model-name", model.name, "--dtype", _DTYPES[dtype]),
        # Else the checkpoint's own sampling parameters, such as a repetition penalty, would apply.
        *("--generation-config", "vllm"),
    ]
    if model.files.revision is not None and model.files.folder is None:
        words += ["--revision", model.files.revision, "--tokenizer-revision", model.files.revision]
    if options.quantize == "4bit":
        words += ["--quantization", "bitsandbytes"]
    for flag, value in (
        ("--tensor-parallel-size", options.tensor_parallel_size),
        ("--data-parallel-size", options.data_parallel_size),
        ("--distributed-executor-backend", options.executor),
    ):
        if value is not None:
            words += [flag, str(value)]
    if options.trust_remote_code:
        words.append("--trust-remote-code")
    quantization = model.identity["quantization"]
    identity = {
        "backend": "vllm",
        **engine_of(program),
        **model.identity,
        "quantization": quantization if options.quantize == "none" else options.quantize,
    }
    return ServedModel("vllm", ServerEngine(words, identity), model, model.name, options)


def _found_vllm() -> list[str]:
    if shutil.which("vllm"):
        return ["vllm", "serve"]
    if shutil.which("uvx"):
        return ["uvx", "vllm", "serve"]
    raise UsageError(
        "there is no program 'vllm' on PATH; install vLLM (https://docs.vllm.ai), name another way "
        "to call it with --server-command, or install uv, whose uvx gets it"
    )
