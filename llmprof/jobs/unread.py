"""Refuses options that nothing in a run reads, rather than ignoring them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields

from llmprof.backends.registry import backend_reads
from llmprof.errors import UsageError
from llmprof.options import (
    BackendChoice,
    LoadingOptions,
    Options,
    ProfileOptions,
    ProfilerOptions,
    PromptOptions,
    RecordingOptions,
    ScorerOptions,
    declared,
)
from llmprof.profilers import create_profiler, profiler_names
from llmprof.profilers.protocol import OptionReader

# What the model is and where it is looked for concerns every backend.
_OF_EVERY_BACKEND = frozenset({"offline"})
# How the model is asked, and by whose protocol, whatever a profile reads of it.
OF_EVERY_PROFILE = frozenset({*declared(PromptOptions), "protocol"})


def check_backend(
    backend: str,
    options: LoadingOptions,
    configured: Collection[str] = (),
    *,
    also_read: Collection[str] = (),
) -> None:
    """Refuse an option that the backend does not read, and nothing else does (`also_read`).

    `configured` names options from a configuration file, which serves several commands and
    backends: they may be more than are read.

    Raises:
        UnknownNameError: there is no such backend.
        UsageError: an option is of another backend.
    """
    read = backend_reads(backend)
    if read is None:
        return
    allowed = {*read, *_OF_EVERY_BACKEND, *also_read, *configured}
    for name in _given(LoadingOptions, options):
        if name not in allowed:
            used = ", ".join(_flag(LoadingOptions, each) for each in sorted(read)) or "none"
            raise UsageError(
                f"backend {backend!r} does not use {_flag(LoadingOptions, name)}; leave it out, or "
                f"choose another --backend (options that it uses: {used})"
            )


def check_no_model(options: ProfileOptions, configured: Collection[str] = ()) -> None:
    """Refuse what says which model is asked and how, where a file is profiled.

    Raises:
        UsageError: there is such an option.
    """
    if options.model is not None:
        raise UsageError(
            f"--texts profiles a file, and {options.model} is a model; give one of the two"
        )
    scored = declared(ScorerOptions)
    for group in (BackendChoice, LoadingOptions, PromptOptions):
        for name in _given(group, options):
            if name not in scored and name not in configured:
                raise UsageError(
                    f"--texts profiles a file and asks no model, so {_flag(group, name)} is not "
                    "used; leave it out"
                )


def check_thinking(options: ProfileOptions) -> None:
    """Refuse a switch of chat templates where none is used.

    Raises:
        UsageError: the prompts are plain text.
    """
    if options.thinking is not None and options.prompt_format in ("completion", "paper"):
        raise UsageError(
            f"--thinking is of a chat template, and --prompt-format {options.prompt_format} uses "
            "none; leave one of them out"
        )


def check_profilers(
    profilers: Sequence[str], options: ProfilerOptions, configured: Collection[str] = ()
) -> None:
    """Refuse an option that none of the profilers reads.

    A profiler of another package that does not say what it reads is taken to read everything.

    Raises:
        UsageError: an option is of another profiler.
    """
    read = [_reads(name) for name in profilers]
    if None in read:
        return
    allowed = {*OF_EVERY_PROFILE, *configured}.union(*filter(None, read))
    for name in _given(ProfilerOptions, options):
        if name not in allowed:
            able = [each for each in profiler_names() if name in (_reads(each) or ())]
            raise UsageError(
                f"{_flag(ProfilerOptions, name)} is not used by {', '.join(profilers)}; leave it "
                f"out, or profile what uses it: {', '.join(able)}"
            )


def check_scorer(options: ScorerOptions, configured: Collection[str] = ()) -> None:
    """Refuse options of a scorer of toxicity where none is asked.

    Raises:
        UsageError: there is such an option.
    """
    groups = (ScorerOptions, *([RecordingOptions] if isinstance(options, RecordingOptions) else []))
    shared = declared(LoadingOptions)
    for group in groups:
        for name in _given(group, options):
            if name not in shared and name not in configured:
                raise UsageError(
                    f"{_flag(group, name)} is for a scorer of toxicity, and nothing here asks one; "
                    "leave it out"
                )


def _given(group: type[Options], options: Options) -> list[str]:
    """The options of the group that differ from their defaults."""
    return [each.name for each in fields(group) if getattr(options, each.name) != each.default]


def _reads(profiler: str) -> frozenset[str] | None:
    found = create_profiler(profiler, ProfilerOptions())
    return found.reads if isinstance(found, OptionReader) else None


def _flag(group: type[Options], name: str) -> str:
    flags = declared(group)[name].flags
    return flags[0] if flags else f"--{name.replace('_', '-')}"
