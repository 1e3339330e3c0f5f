"""A backend for workers without weights: it says which process answers, and dies on demand."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from llmprof.backends.protocol import BackendOptions, Sink
from llmprof.errors import BackendError, ModelNotFoundError
from llmprof.requests import Generate, Request, RequestType
from llmprof.responses import Completion

DIE, DIE_ONCE, REFUSE, SLOW, LONG = "die", "die once ", "refuse", "slow", "long "
MEET = "meet in "
# A model that only a process with the variable ECHO has.
ONLY_DRIVER = "only driver"


class EchoBackend:
    """Answers a prompt with itself and its seed; `details` hold the process.

    Prompts that begin with one of the words above do what it says: `DIE_ONCE` and `LONG` go on
    with the path of a file, which is made, or grows by a byte with each answer. `MEET` goes on
    with the path of a folder, where it waits for a second process.
    """

    name = "echo"
    chat = False
    capabilities: frozenset[RequestType] = frozenset({Generate})

    def __init__(self, options: BackendOptions) -> None:
        self.model = options.model or "echo"
        if self.model == ONLY_DRIVER and "ECHO" not in os.environ:
            raise ModelNotFoundError("there is no model of that name")

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"backend": self.name, "model": self.model, "told": os.environ.get("ECHO", "")}

    async def answer(self, requests: Sequence[Request], seeds: Sequence[int], sink: Sink) -> None:
        for index, (request, seed) in enumerate(zip(requests, seeds, strict=True)):
            assert isinstance(request, Generate) and isinstance(request.prompt, str)
            await sink.deliver([(index, await _say(request.prompt, seed))])

    async def aclose(self) -> None:
        pass


async def _say(prompt: str, seed: int) -> Completion:
    text = f"{prompt} {seed}"
    if prompt == DIE or (prompt.startswith(DIE_ONCE) and _new(Path(prompt[len(DIE_ONCE) :]))):
        os.kill(os.getpid(), signal.SIGKILL)
    elif prompt == REFUSE:
        raise BackendError("the echo is gone")
    elif prompt == SLOW:
        await anyio.sleep(600)
    elif prompt.startswith(MEET):
        folder = Path(prompt[len(MEET) :])
        (folder / str(os.getpid())).touch()
        while len(list(folder.iterdir())) < 2:
            await anyio.sleep(0.01)
    elif prompt.startswith(LONG):
        with Path(prompt[len(LONG) :]).open("ab") as file:
            file.write(b".")
        text = "a" * 100_000
    else:
        await anyio.sleep(0.002)
    return Completion(text, 1, "stop", details={"process": os.getpid()})


def _new(file: Path) -> bool:
    if file.exists():
        return False
    file.touch()
    return True
