"""Runs code of transformers and of models without output, and with one-line errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llmprof.errors import BackendError, LlmprofError, ModelNotFoundError

_MEMORY_WORDS = ("out of memory", "not enough memory", "can't allocate memory")

TOO_LARGE = (
    "memory does not suffice for one request alone; choose a smaller --dtype, --quantize, or a "
    "device with more memory"
)


@contextmanager
def one_line_errors(doing: str, cure: str) -> Iterator[None]:
    """Raise BackendError, of one line, for whatever foreign code raises within the block."""
    try:
        yield
    except BaseException as error:
        if not is_foreign(error):
            raise
        raise BackendError(f"{doing}: {first_line(error)}; {cure}") from error


@contextmanager
def named_as_scorer(is_scorer: bool) -> Iterator[None]:
    """Say of a model that is not found that it is the scorer's, if it is."""
    try:
        yield
    except ModelNotFoundError as error:
        if not is_scorer:
            raise
        raise ModelNotFoundError(
            f"the toxicity scorer's model: {error}; or choose another scorer with --toxicity-scorer"
        ) from error


def is_foreign(error: BaseException) -> bool:
    """Whether an error is not llmprof's own: any exception, or a panic of a library in Rust."""
    if isinstance(error, LlmprofError):
        return False
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    return isinstance(error, MemoryError) or any(
        word in str(error).lower() for word in _MEMORY_WORDS
    )


def first_line(error: BaseException) -> str:
    """What an error says in its first line, with its class where that says more."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name = type(error).__name__
    if not lines:
        return name
    text = lines[0].rstrip(".;:")
    # A KeyError's message is a bare key.
    return f"{name}: {text}" if isinstance(error, KeyError | IndexError) else text


def quiet_transformers() -> None:
    """Turn off the warnings and progress bars of transformers."""
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
