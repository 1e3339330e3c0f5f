"""Jobs of `llmprof profile` for the checkpoints of a training, in the order of steps."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from llmprof.errors import UsageError
from llmprof.jobs.profile import ProfileJob, profile_job
from llmprof.jobs.variations import varied_jobs
from llmprof.options import ProfileOptions
from llmprof.results.series import SeriesPlace

# Files that trainers of transformers write into each checkpoint.
_STATE_FILE = "trainer_state.json"
_STEP = re.compile(r"(?:^|.*[^a-z])(?:checkpoint|ckpt|step|epoch|iter|global_step)[-_]?(\d{1,15})")


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """A model at a step."""

    model: str | None
    step: int

    @property
    def given(self) -> str:
        return "the default model" if self.model is None else self.model


def profile_jobs(options: ProfileOptions, configured: Collection[str] = ()) -> list[ProfileJob]:
    """The jobs that a user asks for: one, one per checkpoint of a series, or one per variation.

    Raises:
        UsageError: several models without a series, or two of the same step; see `profile_job`.
    """
    if options.series is None:
        if options.checkpoints:
            raise UsageError(
                f"{1 + len(options.checkpoints)} models; name their series with --series, or "
                f"profile one at a time"
            )
        if options.step is not None:
            raise UsageError("--step needs a series; name one with --series")
        if options.vary is not None:
            return varied_jobs(options, configured)
        return [profile_job(options, configured)]
    if options.vary is not None:
        raise UsageError("--vary and --series make two kinds of runs; give one of them")
    checkpoints = sorted(_checkpoints(options), key=lambda each: each.step)
    for one, other in pairwise(checkpoints):
        if one.step == other.step:
            raise UsageError(
                f"{one.given} and {other.given} are both at step {one.step}; a series has one "
                f"model per step"
            )
    return [
        replace(
            profile_job(
                replace(options, model=each.model, checkpoints=None, step=None), configured
            ),
            place=SeriesPlace(options.series, each.step),
        )
        for each in checkpoints
    ]


def _checkpoints(options: ProfileOptions) -> list[_Checkpoint]:
    models = [options.model, *(options.checkpoints or ())]
    if options.step is not None and len(models) > 1:
        raise UsageError(f"--step applies to one model, and there are {len(models)}; remove it")
    found = []
    for model in models:
        folder = None if model is None else Path(model).expanduser()
        step = options.step if options.step is not None else _step_of(options, folder)
        if step is None:
            raise UsageError(
                f"{model or 'the default model'} does not say its training step; give it with "
                "--step"
            )
        found.append(_Checkpoint(model, step))
    return found


def _step_of(options: ProfileOptions, folder: Path | None) -> int | None:
    """The step stored in a checkpoint, or else in its name, such as `checkpoint-500`."""
    folders = [
        each for each in (folder, options.adapter and Path(options.adapter).expanduser()) if each
    ]
    for each in folders:
        with suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
            return int(json.loads((each / _STATE_FILE).read_text(encoding="utf-8"))["global_step"])
    for name in (*(each.name for each in folders), options.revision or ""):
        if found := _STEP.fullmatch(name.lower()):
            return int(found[1])
    return None
