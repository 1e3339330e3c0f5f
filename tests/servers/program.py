"""A stand-in of `vllm serve`: a program of its own, with the faults that its environment names.

`STAND_IN_FAULT` is `crash`, `never` (it never listens), `late` (it listens after two seconds) or
`dies:N` (it is killed by the request after the N-th). `STAND_IN_PIDS` is a
file for the ids of its processes; it has a child in a session of its own, as vLLM's engine may be.
`STAND_IN_MODEL` is the folder of a model whose log-probabilities it gives instead of invented ones.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from aiohttp import web

from tests.servers.openai import OpenAIServer, toy_scorer


def main() -> None:
    if "--version" in sys.argv:
        print("0.33.0")
        return
    parser = argparse.ArgumentParser()
    parser.add_argument("serve")
    parser.add_argument("model")
    parser.add_argument("--port", type=int)
    parser.add_argument("--served-model-name")
    options, _ = parser.parse_known_args()
    fault = os.environ.get("STAND_IN_FAULT", "")
    note_processes()
    print("INFO stand-in of an engine", " ".join(sys.argv[1:]), flush=True)
    if fault == "crash":
        print("Traceback (most recent call last):\n  ...", file=sys.stderr)
        sys.exit("\x1b[31mRuntimeError: no GPU has 80 GiB\x1b[0m")
    if fault == "never":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    if fault == "late":
        time.sleep(2)
    served = options.served_model_name or options.model
    app = OpenAIServer(models=(served,), scorer=scorer()).app()
    if fault.startswith("dies"):
        app.middlewares.append(dying(int(fault.partition(":")[2])))
    web.run_app(app, host="127.0.0.1", port=options.port, print=None)


def note_processes() -> None:
    if file := os.environ.get("STAND_IN_PIDS"):
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        Path(file).write_text(f"{os.getpid()} {child.pid}")


def scorer() -> Any:
    if folder := os.environ.get("STAND_IN_MODEL"):
        from tests.servers.real_scorer import real_scorer

        return real_scorer(Path(folder))
    return toy_scorer


def dying(after: int) -> Any:
    count = 0

    @web.middleware
    async def die(request: web.Request, handler: Any) -> Any:
        nonlocal count
        count += request.method == "POST"
        if count > after:
            print("CUDA error: an illegal memory access was encountered", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return await handler(request)

    return die


if __name__ == "__main__":
    main()
