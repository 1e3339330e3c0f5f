"""OpenAI-compatible servers that run already, or that a user's command starts."""

from __future__ import annotations

from llmprof.backends.huggingface.model import LocalModel
from llmprof.backends.managed.program import GGUF, MODEL, PORT, engine_of, filled, words_of
from llmprof.backends.managed.served_model import OF_CLIENT, ServedModel, ServerEngine
from llmprof.backends.openai import OpenAIBackend
from llmprof.backends.openai import create as create_client
from llmprof.backends.protocol import BackendOptions, reads
from llmprof.errors import UsageError


@reads("base_url", "server_command", "server_wait", *OF_CLIENT)
def create_openai(options: BackendOptions) -> OpenAIBackend | ServedModel:
    """A server that runs already, or one that `--server-command` starts.

    Raises:
        UsageError: the command has no place for the port or the model, or there is no program.
        ModelNotFoundError: there is no such model, or it is not on this machine.
    """
    if options.server_command is None:
        if options.server_wait is not None:
            raise UsageError("--server-wait is for a server of --server-command; remove it")
        return create_client(options)
    if options.base_url is not None:
        raise UsageError(
            "--server-command starts a server, and --base-url names one that runs; give one of them"
        )
    words = words_of(options.server_command)
    if PORT not in options.server_command:
        raise UsageError(
            f"--server-command lacks {PORT}, where llmprof puts a free port, as in "
            f"'transformers serve {MODEL} --port {PORT}'"
        )
    if MODEL not in options.server_command and GGUF not in options.server_command:
        raise UsageError(
            f"--server-command lacks {MODEL}, where llmprof puts the folder of the model (or "
            f"{GGUF}, for its GGUF file)"
        )
    engine = engine_of(words[:1])
    model = LocalModel(
        BackendOptions(options.model, offline=options.offline, cache_dir=options.cache_dir)
    )
    if model.files.revision is not None and model.files.folder is None:
        raise UsageError(
            f"model {model.name} is not on this machine, and the server might load another "
            f"revision; run `hf download {model.name}` first"
        )
    if GGUF in options.server_command and model.files.gguf is None:
        raise UsageError(f"--server-command has {GGUF}, but {model.name} is no GGUF file")
    values = {MODEL: model.files.location, GGUF: str(model.files.gguf)}
    of_files = {name: value for name, value in model.identity.items() if name != "dtype"}
    # Any argument may change answers.
    identity = {"backend": "openai", **engine, "arguments": words[1:], **of_files}
    served = filled([GGUF if GGUF in options.server_command else MODEL], values)[0]
    return ServedModel(
        "openai", ServerEngine(filled(words, values), identity), model, served, options
    )
