"""Backends answer requests: one module per provider, a registry and the protocol."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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


def __getattr__(name: str) -> Any:
    """Public names are imported lazily: the processes that describe texts need none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "registry" if name in ("backend_names", "create_backend") else "protocol"
    return getattr(import_module(f"{__name__}.{home}"), name)
