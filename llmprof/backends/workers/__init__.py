"""Several workers answer as one backend: processes on this machine, or actors of a Ray cluster."""

from llmprof.backends.workers.spread import spread

__all__ = ["spread"]
