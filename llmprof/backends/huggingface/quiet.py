"""transformers, without lines of its own between those of llmprof."""

from __future__ import annotations


def quiet_transformers() -> None:
    """Turn off the warnings and progress bars of transformers."""
    import transformers

    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
