"""Options for the locations of results, responses and data sets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from llmprof.options.option import Option, Options, Panel, part
from llmprof.options.profiling import DATA_VARIABLE, DataOptions

DEFAULT_DB = Path("llmprof.db")
DB_VARIABLE = "LLMPROF_DB"
CACHE_VARIABLE = "LLMPROF_CACHE_DIR"


@dataclass(frozen=True, kw_only=True)
class DatabaseOptions(Options):
    """Where results are kept."""

    db: Annotated[
        str | Path | None,
        Option(
            "Results database (SQLite file).", variable=DB_VARIABLE, default_text=str(DEFAULT_DB)
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class CacheOptions(Options):
    """Where responses are kept."""

    cache_dir: Annotated[
        str | Path | None,
        Option(
            "Folder of cached responses and converted models. Default: the user's cache folder.",
            variable=CACHE_VARIABLE,
            shared=True,
        ),
    ] = None
    quiet: Annotated[bool, Option("Print errors only.")] = False


@dataclass(frozen=True, kw_only=True)
class StorageOptions(CacheOptions, DatabaseOptions):
    """Where results and responses are kept."""


@dataclass(frozen=True, kw_only=True)
class RunNaming(Options):
    """The name of a run, in addition to its id."""

    name: Annotated[
        str | None,
        Option("A name for the run, which other commands accept.", metavar="TEXT"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrackOptions(Options):
    """Experiment trackers that get the run."""

    track: Annotated[
        str | Sequence[str] | None,
        Option(
            "Also send the results to mlflow, wandb, trackio or tensorboard; see `llmprof export "
            "tracker`.",
            panel=Panel.WORK,
            metavar="TRACKER",
            is_list=True,
            sensitive=True,
        ),
    ] = None


def cache_folder(chosen: str | Path | None) -> Path:
    """The cache folder to use: the one chosen, else the environment's, else the user's."""
    from platformdirs import user_cache_path

    return _path(chosen, CACHE_VARIABLE) or user_cache_path("llmprof")


def data_options(options: DataOptions) -> DataOptions:
    """Which data are read; the default folder comes from the environment."""
    folder = _path(options.data_dir, DATA_VARIABLE)
    return replace(part(DataOptions, options), data_dir=folder)


def database_file(chosen: str | Path | None) -> Path:
    """The results database to use: the one chosen, else the environment's, else the default."""
    return _path(chosen, DB_VARIABLE) or DEFAULT_DB


def _path(chosen: str | Path | None, variable: str) -> Path | None:
    found = chosen or os.environ.get(variable)
    return Path(found) if found else None
