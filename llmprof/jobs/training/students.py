"""Content-addressed storage of trained students, so that no training is repeated."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from filelock import FileLock

from llmprof.backends.huggingface.model import LocalModel
from llmprof.cache import canonical_json
from llmprof.cache.facts import recall, remember
from llmprof.errors import OutputError
from llmprof.jobs.training.distributed import train_on, training_devices
from llmprof.jobs.training.lessons import Lesson
from llmprof.jobs.training.packages import check_packages
from llmprof.jobs.training.recipe import TrainingRecipe
from llmprof.jobs.training.trainer import Batch, train
from llmprof.ledger import Progress
from llmprof.options import BackendOptions

FOLDER = "trained"
_SPEEDS = "seconds_per_example.json"
# Metadata of a finished student, next to its weights.
ABOUT = "llmprof.json"
# Number of key digits in the folder name.
_SHOWN = 16


class _Timer:
    """Forwards progress, and measures the total time."""

    def __init__(self, listener: Callable[[Progress], None]) -> None:
        self._listener = listener
        self._first: tuple[float, int] | None = None
        self.seconds_per_share: float | None = None

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now, progress.done
        began, done = self._first
        if progress.done > done:
            share = (progress.done - done) / progress.total
            self.seconds_per_share = (now - began) / share
        self._listener(progress)


class Student:
    """A local model to train, and its trained versions.

    Raises:
        LlmprofError: the model cannot be found, or its options are incompatible.
    """

    def __init__(self, options: BackendOptions, cache_dir: Path) -> None:
        self.options = options
        self._cache_dir = cache_dir
        self._devices = training_devices(options)
        self.model = LocalModel(replace(options, device=self._devices[0]))

    @cached_property
    def identity(self) -> dict[str, Any]:
        return dict(self.model.identity)

    def folder_of(self, lesson: Lesson) -> Path:
        """The folder of the student trained on this, named by a hash of all inputs."""
        key = canonical_json(
            {
                "student": self.identity,
                "data": lesson.data_sha256,
                "recipe": lesson.recipe.content(),
                "seed": lesson.seed,
            }
        )
        return self._cache_dir / FOLDER / hashlib.sha256(key.encode()).hexdigest()[:_SHOWN]

    def is_trained(self, lesson: Lesson) -> bool:
        return (self.folder_of(lesson) / ABOUT).is_file()

    def options_of(self, lesson: Lesson) -> dict[str, str]:
        """The backend options that differ for the trained student."""
        name = "adapter" if lesson.recipe.method == "lora" else "model"
        return {name: str(self.folder_of(lesson))}

    def train(self, lesson: Lesson, listener: Callable[[Progress], None]) -> Path:
        """The folder of the trained student, which is trained if it does not exist.

        An interrupted training resumes from its last checkpoint. Two processes never train the same
        student at the same time.

        Raises:
            LlmprofError: with what was wrong and what to do; checkpoints are kept.
        """
        folder = self.folder_of(lesson)
        if self.is_trained(lesson):
            return folder
        packages = check_packages()
        work = folder.with_name(f"{folder.name}.unfinished")
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{folder}.lock"):
                if not self.is_trained(lesson):
                    work.mkdir(exist_ok=True)
                    timer = _Timer(listener)
                    made = train(
                        self.model,
                        lesson,
                        work,
                        timer,
                        len(self._devices),
                        self._in_processes(lesson, work, timer),
                    )
                    self._finish(made, folder, lesson, packages)
                    self._remember_speed(lesson, timer)
                    shutil.rmtree(work, ignore_errors=True)
        except OSError as error:
            raise OutputError(
                f"cannot write checkpoints to {work}: {error.strerror or error}; free some space, "
                "or choose another --cache-dir, and run the same command to resume"
            ) from error
        return folder

    def _in_processes(
        self, lesson: Lesson, work: Path, listener: Callable[[Progress], None]
    ) -> Callable[[Batch], Path] | None:
        """What trains on several devices; None where one is named."""
        if len(self._devices) == 1:
            return None
        return partial(train_on, self._devices, self.options, lesson, work, listener)

    def seconds_per_example(self, recipe: TrainingRecipe) -> float | None:
        """Seconds per example in the last training of this kind on this machine."""
        known = recall(self._cache_dir / _SPEEDS, self._speed_key(recipe))
        return known if isinstance(known, float) else None

    def _remember_speed(self, lesson: Lesson, timer: _Timer) -> None:
        recipe = lesson.recipe
        share = timer.seconds_per_share
        if share is not None:
            each = share / (len(lesson.turns) * recipe.epochs)
            remember(self._cache_dir / _SPEEDS, self._speed_key(recipe), each)

    def _speed_key(self, recipe: TrainingRecipe) -> str:
        where = [self.model.device, len(self._devices)]
        return canonical_json([self.identity, recipe.method, recipe.objective, *where])

    def _finish(self, made: Path, folder: Path, lesson: Lesson, packages: dict[str, str]) -> None:
        """Move the complete student to its final folder."""
        about = {
            "student": self.identity,
            "data_sha256": lesson.data_sha256,
            "examples": len(lesson.turns),
            "recipe": lesson.recipe.values(),
            "seed": lesson.seed,
            "packages": packages,
        }
        (made / ABOUT).write_text(json.dumps(about, indent=1), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)
