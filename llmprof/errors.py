"""The whole tree of errors that a user can cause or meet.

Every message says what was wrong, where, and what to do about it, on one line. The command line
prints the message and exits with `exit_code`; a traceback is shown only with `--debug`.
"""

from __future__ import annotations


class LlmprofError(Exception):
    """Base of every error that llmprof raises on purpose; exit code 1 (failure)."""

    exit_code: int = 1


class UsageError(LlmprofError):
    """The command was asked for something that does not exist or makes no sense; exit code 2."""

    exit_code: int = 2


class UnknownNameError(UsageError):
    """A profiler, backend, data set or option value that is not known."""


class CapabilityError(UsageError):
    """A profiler was asked of a backend that cannot answer its requests."""


class ModelNotFoundError(UsageError):
    """The model is neither a local file or folder nor available from the Hub."""


class ConfigError(UsageError):
    """The configuration file is missing, malformed or holds an unknown option."""


class DataError(LlmprofError):
    """A data set exists but cannot be used: a broken line, a missing field, no items."""


class DataNotFoundError(LlmprofError):
    """A data set is not where it was looked for."""


class BenchmarkError(LlmprofError):
    """A benchmark's task cannot be run or scored on this model."""


class SelectionError(LlmprofError):
    """A selection leaves nothing to write, or its file cannot be written."""


class MissingDependencyError(LlmprofError):
    """A package or package data that the task needs is not installed."""


class BackendError(LlmprofError):
    """A backend cannot go on at all, as opposed to one failed response (`requests.Failure`)."""


class CacheError(LlmprofError):
    """The generation cache cannot be read or written."""


class OutputError(LlmprofError):
    """A file that was asked for cannot be written."""


class StoreError(LlmprofError):
    """The results database cannot be read or written."""


class VerificationError(LlmprofError):
    """What is stored of a run does not agree with itself."""
