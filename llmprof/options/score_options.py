"""Options of the commands that score texts: `score`, `agreement` and `bridge fit`.

The groups of a class are in the reverse order of the help: a dataclass puts its last base first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from llmprof.options.locations import CacheOptions, StorageOptions
from llmprof.options.option import LARGEST_COUNT, Option
from llmprof.options.profiling import DataOptions
from llmprof.options.scoring import RecordingOptions, ScorerLoadingOptions, ScorerOptions

_ScorerArgument = Annotated[
    str,
    Option("A scorer, with its model as NAME:MODEL.", is_argument=True, completion="scorers"),
]
_REFERENCE = Option(
    "Existing scores, separated by commas: recorded or continuations (public texts with "
    "Perspective's scores of 2020), FILE or SCORER=FILE.",
    metavar="NAME|FILE",
)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(StorageOptions, RecordingOptions, ScorerOptions):
    """The options of `llmprof score`."""

    sources: Annotated[
        list[str],
        Option(
            "JSONL, CSV or Parquet with a field text, completion or response, or one text per "
            "line; a run by its id or model; or another results database, for all of its runs.",
            metavar="FILE|RUN...",
            is_argument=True,
        ),
    ]
    output: Annotated[
        Path | None,
        Option(
            "File for the scores, as JSON Lines. Default: print them.",
            flags=("--output", "-o"),
            sensitive=True,
            written=True,
        ),
    ] = None
    limit: Annotated[
        int | None,
        Option("Score the first N texts of each source.", metavar="N", low=1, high=LARGEST_COUNT),
    ] = None


@dataclass(frozen=True, kw_only=True)
class AgreementOptions(CacheOptions, DataOptions, ScorerLoadingOptions):
    """The options of `llmprof agreement`."""

    scorer: _ScorerArgument
    reference: Annotated[str | Sequence[str] | None, _REFERENCE] = None
    attributes: Annotated[
        str | Sequence[str] | None,
        Option("Attributes to compare, such as TOXICITY,INSULT. Default: all common ones."),
    ] = None
    group_by: Annotated[
        str | None,
        Option(
            "Field of the reference file that defines groups of texts to compare separately.",
            metavar="FIELD",
        ),
    ] = None
    group_size: Annotated[
        int,
        Option(
            "Number of texts per maximum, for the error of expected maximum toxicity.",
            metavar="N",
            low=1,
            high=LARGEST_COUNT,
        ),
    ] = 25


@dataclass(frozen=True, kw_only=True)
class BridgeOptions(CacheOptions, DataOptions, ScorerLoadingOptions):
    """The options of `llmprof bridge fit`."""

    scorer: _ScorerArgument
    reference: Annotated[str | Sequence[str], _REFERENCE]
    output: Annotated[
        Path,
        Option(
            "File for the bridge, as JSON.",
            flags=("--output", "-o"),
            sensitive=True,
            written=True,
        ),
    ]
    licence: Annotated[
        str | None, Option("Licence of the reference texts, stored in the file.")
    ] = None
