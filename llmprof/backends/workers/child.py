"""The worker process: it reads orders from one pipe and writes answers to another.

It ends when its input is closed, even if the driver was killed.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
from typing import Any, BinaryIO

import anyio
import anyio.to_thread

from llmprof.backends.workers.protocol import Answers, BackendRecipe, Fault
from llmprof.backends.workers.service import Service, fault_of
from llmprof.errors import LlmprofError

HEADER_BYTES = 8


def frame(message: object) -> bytes:
    """A message as it goes through a pipe: the length, then a pickle."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(content).to_bytes(HEADER_BYTES, "big") + content


def main() -> None:
    """Answer orders until standard input ends; what is printed meanwhile is an error's."""
    # Ctrl-C reaches the whole group of processes; the driver ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(orders, inbox), daemon=True).start()
    anyio.run(_serve, inbox, answers)


def _receive(orders: BinaryIO, inbox: queue.SimpleQueue[Any]) -> None:
    while header := orders.read(HEADER_BYTES):
        inbox.put(pickle.loads(orders.read(int.from_bytes(header, "big"))))
    # The main thread may be in a computation of minutes.
    os._exit(0)


async def _serve(inbox: queue.SimpleQueue[Any], answers: BinaryIO) -> None:
    def write(message: object) -> None:
        answers.write(frame(message))
        answers.flush()

    async def send(message: Answers | Fault | None) -> None:
        # Blocks while the driver takes nothing.
        await anyio.to_thread.run_sync(write, message)

    recipe: BackendRecipe = await anyio.to_thread.run_sync(inbox.get)
    try:
        service = Service(recipe)
        write(service.credentials())
    except LlmprofError as error:
        write(fault_of(error))
        return
    while True:
        part = await anyio.to_thread.run_sync(inbox.get)
        await send(await service.answer(part, send))
