"""Text metrics: pure arithmetic over a text and what was read of it.

No text is tokenized or parsed here; `llmprof.backends.text_metrics` does that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

from llmprof.metrics.text.catalogue import BOUNDS as BOUNDS
from llmprof.metrics.text.catalogue import ENGLISH as ENGLISH
from llmprof.metrics.text.catalogue import ENGLISH_ONLY as ENGLISH_ONLY
from llmprof.metrics.text.catalogue import NAMES as NAMES
from llmprof.metrics.text.catalogue import Reads as Reads
from llmprof.metrics.text.catalogue import chosen_names as chosen_names
from llmprof.metrics.text.catalogue import groups_of as groups_of
from llmprof.metrics.text.catalogue import in_order as in_order
from llmprof.metrics.text.catalogue import reads_of as reads_of
from llmprof.metrics.text.catalogue import version_of as version_of
from llmprof.metrics.text.diversity import complete_factors

if TYPE_CHECKING:
    from llmprof.metrics.text.document import Document


def is_extrapolated(name: str, text: str) -> bool:
    """Whether a metric's value is an extrapolation: MTLD with less than one whole factor."""
    return name == "mtld" and complete_factors(text) == 0


def describe(document: Document, names: Iterable[str]) -> dict[str, float | None]:
    """The named metrics of a document, in the catalogue's order.

    None where a metric is not defined for the text, or is not finite. The document holds what
    `reads_of(names)` says.
    """
    wanted = set(names)
    values: dict[str, float | None] = {}
    for group in groups_of(wanted):
        module, function = group.function.split(":")
        values |= getattr(import_module(f"{__name__}.{module}"), function)(document)
    return {name: _finite(value) for name, value in values.items() if name in wanted}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
