"""The reference: the same metrics by TextDescriptives and lexicalrichness, to compare with.

Other people's code, slow and tied to old versions of numpy: installed by the extra `reference`.
"""

from __future__ import annotations

import importlib.util
import math
import warnings
from collections.abc import Mapping
from typing import Any

from llmprof.backends.text_metrics.pipelines import ENGLISH, find_pipeline
from llmprof.errors import MissingDependencyError, install_extra
from llmprof.metrics.text.diversity import THRESHOLD

_COMPONENTS = (
    "descriptive_stats",
    "readability",
    "dependency_distance",
    "coherence",
    "information_theory",
    "quality",
)
_PACKAGES = ("textdescriptives", "lexicalrichness")


class ReferencePackages:
    """Describes texts of one language with the reference packages; loading takes seconds.

    Raises:
        MissingDependencyError: they are not installed, or no spaCy pipeline is.
    """

    def __init__(self, language: str = ENGLISH) -> None:
        if not all(map(importlib.util.find_spec, _PACKAGES)):
            raise MissingDependencyError(
                "the reference of text metrics is not installed; run "
                f"`{install_extra('reference')}` (Python 3.11 or 3.12)"
            )
        import spacy
        import textdescriptives  # noqa: F401  (registers its components with spaCy)

        pipeline = find_pipeline(language)
        if pipeline.name is None:
            self._pipeline: Any = spacy.blank(language)
            self._pipeline.add_pipe("sentencizer")
        else:
            self._pipeline = spacy.load(pipeline.name)
        # It refuses a text of several sentences without vectors or a parser.
        lacking = () if pipeline.name else ("coherence", "dependency_distance")
        self._components = [name for name in _COMPONENTS if name not in lacking]
        for component in self._components:
            self._pipeline.add_pipe(f"textdescriptives/{component}")

    def describe(self, text: str) -> dict[str, float | None]:
        """The metrics of one text; those that the language lacks are absent."""
        import textdescriptives

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = self._pipeline(text)
            # Named, since it also extracts what another pipeline of this process has.
            (raw,) = textdescriptives.extract_dict(document, self._components, include_text=False)
        values = {name: _number(value) for name, value in raw.items()}
        return values | {"mtld": _mtld(text)}


def differences(
    stored: Mapping[str, float | None],
    reference: Mapping[str, float | None],
    relative: float = 0.0,
) -> list[str]:
    """The metrics of both whose values differ: at all, or by more than `relative` of the larger."""
    return [
        name
        for name, value in stored.items()
        if name in reference and not _same(value, reference[name], relative)
    ]


def _same(one: float | None, other: float | None, relative: float) -> bool:
    if one is None or other is None:
        return one is other
    return float(one).hex() == float(other).hex() or math.isclose(one, other, rel_tol=relative)


def _mtld(text: str) -> float | None:
    """None where no word is repeated: lexicalrichness gives the number of words in place of x/0."""
    from lexicalrichness import LexicalRichness

    lexicon = LexicalRichness(text)
    if lexicon.words == lexicon.terms:
        return None
    return _number(lexicon.mtld(threshold=THRESHOLD))


def _number(value: Any) -> float | None:
    number = math.nan if value is None else float(value)
    return number if math.isfinite(number) else None
