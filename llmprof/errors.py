"""All errors that users can cause or see.

Every message says what was wrong, where, and what to do about it, on one line. The command line
prints the message and exits with `exit_code`; a traceback is shown only with `--debug`.
"""

from __future__ import annotations

from importlib.util import find_spec

# The package index has another project called llmprof.
DISTRIBUTION = "llmprof-profiler"


def install_extra(extra: str) -> str:
    """The command that installs an extra, for messages.

    >>> install_extra("adapters")
    "pip install 'llmprof-profiler[adapters]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def require(module: str, purpose: str, install: str) -> None:
    """Check that an optional package is installed, without importing it; `install` is the command.

    Raises:
        MissingDependencyError: it is not installed.
    """
    if find_spec(module) is None:
        raise MissingDependencyError(f"{purpose} needs the package {module}; run `{install}`")


class LlmprofError(Exception):
    """Base of every error that llmprof raises on purpose; exit code 1 (failure)."""

    exit_code: int = 1


class UsageError(LlmprofError):
    """The arguments are invalid or name something that does not exist; exit code 2."""

    exit_code: int = 2


class UnknownNameError(UsageError):
    """A profiler, backend, data set or option value that is not known."""


class CapabilityError(UsageError):
    """A profiler needs requests that the backend cannot answer."""


class ModelNotFoundError(UsageError):
    """The model is neither a local file or folder nor available from the Hub."""


class ConfigError(UsageError):
    """The configuration file is missing, malformed or contains an unknown option."""


class DataError(LlmprofError):
    """A data set exists but cannot be used: a malformed line, a missing field, no items."""


class DataNotFoundError(LlmprofError):
    """A data set was not found where it was expected."""


class BenchmarkError(LlmprofError):
    """A benchmark's task cannot be run or scored on this model."""


class SelectionError(LlmprofError):
    """A selection keeps no completion."""


class GateError(LlmprofError):
    """A gate cannot be checked: a run is not complete, or two are not comparable."""


class OutOfTimeError(LlmprofError):
    """Work exceeded its time limit."""


class TrackerError(LlmprofError):
    """An experiment tracker refused a run, or cannot be reached."""


class MissingDependencyError(LlmprofError):
    """A package or package data that the task needs is not installed."""


class PluginError(LlmprofError):
    """An installed package offers a backend, scorer or profiler that does not work."""


class BackendError(LlmprofError):
    """A backend cannot continue at all, as opposed to one failed request (`requests.Failure`)."""


class CacheError(LlmprofError):
    """The cache of responses cannot be read or written."""


class OutputError(LlmprofError):
    """An output file cannot be written."""


class StoreError(LlmprofError):
    """The results database cannot be read or written."""


class VerificationError(LlmprofError):
    """The stored metrics of a run do not match its stored samples."""
