"""A callback for trainers of transformers and trl: profiles the model while it trains."""

from __future__ import annotations

import math
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from llmprof.backends.huggingface.backend import HuggingFaceBackend
from llmprof.backends.huggingface.live import LiveModel, at_rest, check_whole
from llmprof.errors import LlmprofError, OutOfTimeError, TrackerError, UsageError
from llmprof.jobs.profile import profile_job, run_profile
from llmprof.jobs.track import check_track, track_run
from llmprof.ledger import Progress
from llmprof.options import ProfileOptions
from llmprof.options.profile_options import DEFAULT_PROFILERS
from llmprof.results import Store
from llmprof.results.series import SeriesPlace, series_names
from llmprof.safe_text import printable

_EVENTS = ("save", "epoch")
# Options that name or load another model, or ask for several runs.
_NOT_IN_TRAINING = {
    *("model", "checkpoints", "adapter", "step", "backend", "texts", "vary"),
    *("revision", "dtype", "quantize", "device_map", "trust_remote_code"),
}


class ProfileCallback(TrainerCallback):
    """Profiles the model before the first step, every so often, and at the end.

    The model in memory is profiled, without copying or saving it: dropout is disabled meanwhile,
    and the states of random generators, gradients and the optimizer are not changed. Each step is a
    run of the series `series`, on the same items, so that `llmprof report --series` compares it
    with step 0. With several processes the first one runs the profile and the others wait.

    Args:
        profilers: As for `llmprof.profile`.
        every: Steps between two profiles.
        on: Instead of `every`: `save`, with each checkpoint, or `epoch`. Default: `save`.
        limit: Items of each data set.
        series: Name of the series. Default: the trainer's `run_name`, or else the last name of its
            `output_dir`. A new training with the same name gets a number, as in `out-2`.
        max_seconds: Total seconds for all profiles; after that, training continues without them.
        tokenizer: Needed if the trainer has none (`processing_class`).
        options: Any other option of `llmprof.profile`, such as `db`, `data`, `track` or `quiet`.

    Raises:
        LlmprofError: with what was wrong and what to do; only before the first step. Later errors
            of a profile, and a lack of time, are reported, and the training continues.
    """

    def __init__(
        self,
        profilers: str | Sequence[str] = DEFAULT_PROFILERS,
        *,
        every: int | None = None,
        on: str | None = None,
        limit: int | None = None,
        series: str | None = None,
        max_seconds: float | None = None,
        tokenizer: Any = None,
        **options: Any,
    ) -> None:
        if every is not None and on is not None:
            raise UsageError("every and on exclude each other; give one of them")
        if every is not None and every < 1:
            raise UsageError(f"every is {every}; give a number of steps above 0")
        if on is not None and on not in _EVENTS:
            raise UsageError(f"on is {on!r}; choose one of: {', '.join(_EVENTS)}")
        if max_seconds is not None and not max_seconds > 0:
            raise UsageError(f"max_seconds is {max_seconds}; give a number above 0")
        refused = sorted(_NOT_IN_TRAINING & {*options})
        if refused:
            raise UsageError(f"{refused[0]} cannot be used with a model in training; remove it")
        self.series = series
        self.seconds = 0.0
        """Total seconds of all profiles so far."""
        self._every = every
        self._on = None if every is not None else on or "save"
        self._max_seconds = math.inf if max_seconds is None else max_seconds
        self._tokenizer = tokenizer
        self._options = ProfileOptions(profilers=profilers, limit=limit, **options)
        # Invalid names are reported before the model is created.
        self._job = profile_job(self._options)
        check_track(self._options.track)
        self._latest: int | None = None
        self._has_results = False
        self._longest = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        _refuse_divided(args, kwargs["model"])
        if self._tokenizer is None:
            self._tokenizer = kwargs.get("processing_class")
        if self._tokenizer is None:
            raise UsageError("the trainer has no processing_class; give the callback a tokenizer")
        if state.is_world_process_zero:
            self.series = self._series_name(args, resumed=state.global_step > 0)
        if state.global_step == 0:
            try:
                self._profile(args, state, kwargs["model"])
            except OutOfTimeError as error:
                self._tell_unprofiled(state, error)
            else:
                self._tell_costs(args, state)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._every is not None and state.global_step % self._every == 0:
            self._profile_or_tell(args, state, kwargs["model"])

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._on == "save":
            self._profile_or_tell(args, state, kwargs["model"])

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self._on == "epoch":
            self._profile_or_tell(args, state, kwargs["model"])

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        # The trainer may have loaded the best model by now, which is from an earlier step.
        if not args.load_best_model_at_end:
            self._profile_or_tell(args, state, kwargs["model"])
        if state.is_world_process_zero and self._has_results:
            self._say(
                f"profiling took {self.seconds:.0f} s; read it with `llmprof report --series "
                f"{self.series} --db {self._job.db}`"
            )

    def _profile_or_tell(self, args: TrainingArguments, state: TrainerState, model: Any) -> None:
        """Profile; an error is reported and does not stop the training."""
        if self._latest == state.global_step:
            return
        if self.seconds + self._longest > self._max_seconds:
            # Only the first process measures time; the others wait for it.
            if state.is_world_process_zero and self._longest < math.inf:
                self._say(f"max_seconds is reached: no profile from step {state.global_step} on")
            self._longest = math.inf
            _wait_for_all()
            return
        try:
            self._profile(args, state, model)
        except TrackerError as error:
            self._say(str(error))
        except LlmprofError as error:
            self._tell_unprofiled(state, error)

    def _profile(self, args: TrainingArguments, state: TrainerState, model: Any) -> None:
        """Profile on the first process, while the others wait."""
        try:
            if state.is_world_process_zero:
                began = time.monotonic()
                try:
                    self._run(args, state.global_step, model, began)
                finally:
                    took = time.monotonic() - began
                    self.seconds += took
                    self._longest = max(self._longest, took)
        finally:
            self._latest = state.global_step
            _wait_for_all()

    def _run(self, args: TrainingArguments, step: int, model: Any, began: float) -> None:
        left = self._max_seconds - self.seconds

        def check_time(label: str, progress: Progress) -> None:
            if time.monotonic() - began > left:
                raise OutOfTimeError(
                    f"{label} stopped after {progress.done} of {progress.total} requests: "
                    "max_seconds is reached"
                )

        options = self._job.backend_options
        if options.batch_size is None:
            # The trainer's evaluation batch size takes the other memory use of the training into
            # account.
            options = replace(options, batch_size=args.per_device_eval_batch_size)
        precision = "bf16" if args.bf16 else "fp16" if args.fp16 else None
        with at_rest(model):
            live = LiveModel(str(self.series), model, self._tokenizer, precision=precision)
            job = replace(
                self._job, place=SeriesPlace(str(self.series), step), backend_options=options
            )
            run_id = run_profile(job, check_time, HuggingFaceBackend(options, live))
            self._has_results = True
            # Within, since a tracker may draw random names.
            track_run(job.db, run_id, self._options.track, series=self.series, step=step)

    def _series_name(self, args: TrainingArguments, *, resumed: bool) -> str:
        """The requested name, with a number if an earlier training has the same name."""
        wanted = self.series or args.run_name or Path(args.output_dir or ".").resolve().name
        if not self._job.db.is_file():
            return wanted
        with Store(self._job.db, read_only=True) as store:
            known = series_names(store)
        pattern = re.compile(rf"{re.escape(wanted)}(?:-(\d+))?")
        numbers = [int(found[1] or 1) for name in known if (found := pattern.fullmatch(name))]
        number = max(numbers, default=0) + (0 if resumed and numbers else 1)
        if number > 1 and not resumed:
            self._say(
                f"series {wanted} belongs to an earlier training; this one is called "
                f"{wanted}-{number}"
            )
        return wanted if number == 1 else f"{wanted}-{number}"

    def _tell_costs(self, args: TrainingArguments, state: TrainerState) -> None:
        if not state.is_world_process_zero:
            return
        planned = _planned(args, state, self._every, self._on)
        more = "" if planned is None else f"; {planned} more, about {planned * self.seconds:.0f} s"
        self._say(f"profiling step 0 took {self.seconds:.1f} s{more}")

    def _tell_unprofiled(self, state: TrainerState, error: LlmprofError) -> None:
        self._say(f"step {state.global_step} is not profiled: {error}")

    def _say(self, text: str) -> None:
        if not self._options.quiet:
            print(printable(f"llmprof: {text}"), file=sys.stderr)


def _refuse_divided(args: TrainingArguments, model: Any) -> None:
    """Refuse a training in which no process holds the whole model.

    Raises:
        UsageError: it is one.
    """
    from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled

    zero3: bool = is_deepspeed_zero3_enabled()  # type: ignore[no-untyped-call]
    if args.fsdp or zero3:
        kind = "FSDP" if args.fsdp else "DeepSpeed ZeRO-3"
        raise UsageError(
            f"{kind} divides the model among processes; profile the saved checkpoints with "
            "`llmprof profile --series` instead"
        )
    check_whole(model)


def _planned(
    args: TrainingArguments, state: TrainerState, every: int | None, on: str | None
) -> int | None:
    """The number of profiles after step 0, including the one at the end."""
    steps = every
    if on == "save" and args.save_strategy == "steps":
        steps = state.save_steps
    if steps:
        return math.ceil(state.max_steps / steps)
    if on == "epoch" or args.save_strategy == "epoch":
        return math.ceil(state.num_train_epochs)
    return None


def _wait_for_all() -> None:
    """Wait until every process of the training is here."""
    import torch.distributed as processes

    if processes.is_available() and processes.is_initialized():
        processes.barrier()
