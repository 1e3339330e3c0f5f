"""llmprof profiles language models: toxicity, bias, text, calibration, benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmprof.api import (
        Results,
        benchmark,
        compare,
        diff,
        gate,
        inherit,
        load_results,
        profile,
        select,
        variance,
    )
    from llmprof.training_callback import ProfileCallback

__version__ = "0.1.0"
__all__ = [
    "ProfileCallback",
    "Results",
    "benchmark",
    "compare",
    "diff",
    "gate",
    "inherit",
    "load_results",
    "profile",
    "select",
    "variance",
]


def __getattr__(name: str) -> Any:
    """Public names are imported lazily, since every command imports llmprof."""
    if name == "ProfileCallback":
        # It needs all of transformers' trainer.
        from llmprof.training_callback import ProfileCallback

        return ProfileCallback
    if name in __all__:
        from llmprof import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
