"""Options of toxicity scorers, and the choice of a scorer."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from llmprof.options.loading import AllowPickle, BackendOptions, Cluster, Device, Offline
from llmprof.options.option import Option, Options, Panel
from llmprof.options.profiling import ToxicityLanguage

_PERSPECTIVE_KEY = "PERSPECTIVE_API_KEY"
_SECONDS_PER_MINUTE = 60.0


@dataclass(frozen=True, kw_only=True)
class ScorerName(Options):
    """Which scorer is used."""

    toxicity_scorer: Annotated[
        str | None,
        Option(
            "perspective, classifier, profanity, recorded, moderation, guard or an installed one; "
            "several are separated by commas, each with its model as NAME:MODEL. Default: "
            "perspective if PERSPECTIVE_API_KEY is set, else classifier.",
            panel=Panel.TOXICITY,
            completion="scorers",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ScorerLoadingOptions(Options):
    """How a scorer is loaded or reached."""

    toxicity_model: Annotated[
        str | None,
        Option(
            "The scorer's model: a classifier's or guard's folder or ID@REVISION; for recorded, "
            "FILE or SCORER=FILE with existing scores.",
            panel=Panel.TOXICITY,
        ),
    ] = None
    toxicity_labels: Annotated[
        str | Path | None,
        Option(
            "TOML file that maps a classifier's labels to attributes.",
            panel=Panel.TOXICITY,
            metavar="FILE",
        ),
    ] = None
    toxicity_language: ToxicityLanguage = "en"
    toxicity_url: Annotated[
        str | None,
        Option(
            "Address of the server of the scorer moderation or guard.",
            panel=Panel.TOXICITY,
            sensitive=True,
        ),
    ] = None
    perspective_url: Annotated[
        str | None,
        Option(
            "Address of a service compatible with Perspective.",
            panel=Panel.TOXICITY,
            sensitive=True,
        ),
    ] = None
    perspective_qps: Annotated[
        float,
        Option(
            "Your quota of Perspective, in requests per second.",
            panel=Panel.TOXICITY,
            metavar="N",
            low=0.001,
        ),
    ] = 1.0
    device: Device = "auto"
    cluster: Cluster = None
    allow_pickle: AllowPickle = False
    offline: Offline = False


@dataclass(frozen=True, kw_only=True)
class ScorerOptions(ScorerLoadingOptions, ScorerName):
    """All options of a scorer; `scorer_choice` passes them to its backend."""


@dataclass(frozen=True, kw_only=True)
class RecordingOptions(Options):
    """Files of scores that are written in addition to the results."""

    record: Annotated[
        str | Path | None,
        Option(
            "Append each raw answer of a scorer to a file, with its date.",
            panel=Panel.TOXICITY,
            metavar="FILE",
            sensitive=True,
            written=True,
        ),
    ] = None
    missing: Annotated[
        str | Path | None,
        Option(
            "Write the texts without scores to a file that can be scored.",
            panel=Panel.TOXICITY,
            metavar="FILE",
            sensitive=True,
            written=True,
        ),
    ] = None


@dataclass(frozen=True, slots=True)
class ScorerChoice:
    """The name of a scorer, the settings of its backend, and a notice if it was chosen by default.

    `url` is for scorers that are not compatible with Perspective. `name` may be a list.
    """

    name: str
    options: BackendOptions
    notice: str | None = None
    url: str | None = None

    @property
    def files(self) -> list[Path]:
        """The files that the scorer reads, such as recorded scores and labels."""
        named = [text for each in self.name.split(",") for text in re.split("[:=]", each)[1:]]
        told = (*named, self.options.model, self.options.label_map)
        return [Path(each) for each in told if each and Path(each).is_file()]


def scorer_choice(options: ScorerOptions, cache_dir: Path) -> ScorerChoice:
    """The chosen scorer, with the settings of its backend."""
    choice = choose_scorer(options.toxicity_scorer, _told(options, cache_dir))
    return replace(choice, url=options.toxicity_url)


def named_scorer(name: str, options: ScorerLoadingOptions, cache_dir: Path) -> ScorerChoice:
    """The scorer of that name, with the settings of its backend."""
    return ScorerChoice(name, _told(options, cache_dir), url=options.toxicity_url)


def _told(options: ScorerLoadingOptions, cache_dir: Path) -> BackendOptions:
    labels = options.toxicity_labels
    return BackendOptions(
        model=options.toxicity_model,
        label_map=None if labels is None else Path(labels),
        language=options.toxicity_language,
        device=options.device,
        cluster=options.cluster,
        offline=options.offline,
        allow_pickle=options.allow_pickle,
        base_url=options.perspective_url,
        rpm=options.perspective_qps * _SECONDS_PER_MINUTE,
        cache_dir=cache_dir,
    )


def choose_scorer(name: str | None, options: BackendOptions) -> ScorerChoice:
    """The scorer named by the user; otherwise Perspective if there is a key, or the local
    classifier.

    If only a scorer model is named, the classifier is used.
    """
    if name is not None:
        return ScorerChoice(name, options)
    if options.model is None and os.environ.get(_PERSPECTIVE_KEY):
        name, why = "perspective", f"{_PERSPECTIVE_KEY} is set"
    elif options.model is None:
        name, why = "classifier", f"a local model, since {_PERSPECTIVE_KEY} is not set"
    else:
        name, why = "classifier", "a model is named for it"
    notice = f"toxicity is scored by {name} ({why}); --toxicity-scorer chooses another"
    return ScorerChoice(name, options, notice)
