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
from llmprof.errors import LlmprofError, OutOfTimeError, UsageError
from llmprof.jobs.profile import profile_job, run_profile
from llmprof.ledger import Progress
from llmprof.options import ProfileOptions
from llmprof.options.profile_options import DEFAULT_PROFILERS
from llmprof.results import Store
from llmprof.results.series import SeriesPlace, series_names
from llmprof.safe_text import printable

_EVENTS = ("save", "epoch")
# Options that name another model.
_NOT_IN_TRAINING = {"model", "checkpoints", "adapter", "step", "backend", "texts"}


class ProfileCallback(TrainerCallback):
    """Profiles the model before the first step, every so often, and at the end.

    The model in memory is asked, without a copy and without saving it: dropout is off meanwhile,
    and random generators, gradients and the optimizer are as if nothing had happened. Each step is
    a run of the series `series`, on the same items, so that `llmprof report --series` compares it
    with step 0. With several processes the first one works and the others wait.

    Args:
        profilers: As for `llmprof.profile`.
        every: Steps between two profiles.
        on: Instead of `every`: `save`, with each checkpoint, or `epoch`. Default: `save`.
        limit: Items of each data set.
        series: Name of the series. Default: the trainer's `run_name`, or else the last name of its
            `output_dir`. A training that begins anew gets a name of its own, such as `out-2`.
        max_seconds: Seconds for all profiles together; then the training goes on without them.
        tokenizer: Where the trainer has none (`processing_class`).
        options: Any other option of `llmprof.profile`, such as `db`, `data` or `quiet`.

    Raises:
        LlmprofError: with what was wrong and what to do; only before the first step. Later, what
            goes wrong with a profile is said, and the training goes on.
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
            raise UsageError("every and on are two ways to say when; give one of them")
        if every is not None and every < 1:
            raise UsageError(f"every is {every}; give a number of steps above 0")
        if on is not None and on not in _EVENTS:
            raise UsageError(f"on is {on!r}; choose one of: {', '.join(_EVENTS)}")
        if max_seconds is not None and not max_seconds > 0:
            raise UsageError(f"max_seconds is {max_seconds}; give a number above 0")
        refused = sorted(
            {"model", "checkpoints", "adapter", "step", "backend", "texts"} & {*options}
        )
        if refused:
            raise UsageError(f"{refused[0]} is not for a model in training; leave it out")
        self.series = series
        self.seconds = 0.0
        """Seconds that profiles took so far."""
        self._every = every
        self._on = None if every is not None else on or "save"
        self._max_seconds = math.inf if max_seconds is None else max_seconds
        self._tokenizer = tokenizer
        self._options = ProfileOptions(profilers=profilers, limit=limit, **options)
        # Wrong names are told before the model is even made.
        self._job = profile_job(self._options)
        self._latest: int | None = None
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
            self._profile(args, state, kwargs["model"])
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
        # The best model may have been loaded by now, which is of an earlier step.
        if not args.load_best_model_at_end:
            self._profile_or_tell(args, state, kwargs["model"])
        if state.is_world_process_zero and self._latest is not None:
            self._say(
                f"profiling took {self.seconds:.0f} s; read it with `llmprof report --series "
                f"{self.series} --db {self._job.db}`"
            )

    def _profile_or_tell(self, args: TrainingArguments, state: TrainerState, model: Any) -> None:
        """Profile; of an error, the training is not the one to suffer."""
        if self._latest == state.global_step:
            return
        if self.seconds + self._longest > self._max_seconds:
            # The clock is that of the first process: the others only wait for it.
            if state.is_world_process_zero and self._longest < math.inf:
                self._say(f"max_seconds is reached: no profile from step {state.global_step} on")
            self._longest = math.inf
            _wait_for_all()
            return
        try:
            self._profile(args, state, model)
        except LlmprofError as error:
            self._say(f"step {state.global_step} is not profiled: {error}")

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
            # As large as the trainer evaluates: what else is in memory, it knows best.
            options = replace(options, batch_size=args.per_device_eval_batch_size)
        precision = "bf16" if args.bf16 else "fp16" if args.fp16 else None
        with at_rest(model):
            live = LiveModel(str(self.series), model, self._tokenizer, precision=precision)
            job = replace(
                self._job, place=SeriesPlace(str(self.series), step), backend_options=options
            )
            run_profile(job, check_time, HuggingFaceBackend(options, live))

    def _series_name(self, args: TrainingArguments, *, resumed: bool) -> str:
        """The name that is wanted; numbered for another training, where there has been one."""
        wanted = self.series or args.run_name or Path(args.output_dir or ".").resolve().name
        if not self._job.db.is_file():
            return wanted
        with Store(self._job.db, read_only=True) as store:
            known = series_names(store)
        pattern = re.compile(rf"{re.escape(wanted)}(?:-(\d+))?")
        numbers = [int(found[1] or 1) for name in known if (found := pattern.fullmatch(name))]
        number = max(numbers, default=0) + (0 if resumed and numbers else 1)
        if number > 1 and not resumed:
            self._say(f"series {wanted} is of an earlier training; this one is {wanted}-{number}")
        return wanted if number == 1 else f"{wanted}-{number}"

    def _tell_costs(self, args: TrainingArguments, state: TrainerState) -> None:
        if not state.is_world_process_zero:
            return
        planned = _planned(args, state, self._every, self._on)
        more = "" if planned is None else f"; {planned} more, about {planned * self.seconds:.0f} s"
        self._say(f"profiling step 0 took {self.seconds:.1f} s{more}")

    def _say(self, text: str) -> None:
        if not self._options.quiet:
            print(printable(f"llmprof: {text}"), file=sys.stderr)


def _refuse_divided(args: TrainingArguments, model: Any) -> None:
    """Refuse a training in which no process has the whole model.

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
    """How many profiles are to come after step 0, the one at the end included."""
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
