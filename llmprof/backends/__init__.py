"""Backends answer requests: one module per provider, a registry and the protocol."""

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
