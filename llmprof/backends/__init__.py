"""Who answers requests: one module a provider, a registry, the protocol."""

from llmprof.backends.protocol import Backend, BackendOptions, ChatRenderer, Paced, Sink
from llmprof.backends.registry import backend_names, create_backend

__all__ = [
    "Backend",
    "BackendOptions",
    "ChatRenderer",
    "Paced",
    "Sink",
    "backend_names",
    "create_backend",
]
