"""llmprof with a model of tests beside its own: `python -m tests.servers.varied profile ...`.

Its completions of a prompt differ from each other, and some are empty.
"""

from __future__ import annotations

from llmprof.backends import BackendOptions, registry
from llmprof.backends.scripted import ScriptedBackend, default_script
from llmprof.requests import Generate, Outcome, Request
from llmprof.responses import Completion

NAME = "varied"
_EMPTY_EVERY = 7


def script(request: Request) -> Outcome:
    if not isinstance(request, Generate):
        return default_script(request)
    if request.sample % _EMPTY_EVERY == _EMPTY_EVERY - 1:
        return Completion(" ", 1, "stop")
    return Completion(f"Completion {request.sample} of: {request.prompt}", 9, "stop")


def create(options: BackendOptions) -> ScriptedBackend:
    return ScriptedBackend(script, model=NAME, capabilities=frozenset({Generate}))


def register() -> None:
    registry.BUILT_IN[NAME] = f"{create.__module__}:create"


if __name__ == "__main__":
    from llmprof.cli.start import main

    registry.BUILT_IN[NAME] = "tests.servers.varied:create"
    main()
