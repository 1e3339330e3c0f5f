"""Refuses options that a run does not use, instead of ignoring them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields

from llmprof.backends.registry import backend_reads, scorer_reads
from llmprof.errors import UsageError
from llmprof.options import (
    BackendChoice,
    DataOptions,
    LoadingOptions,
    Options,
    ProfileOptions,
    ProfilerOptions,
    PromptOptions,
    RecordingOptions,
    ScorerChoice,
    ScorerLoadingOptions,
    ScorerOptions,
    declared,
)
from llmprof.profilers import create_profiler, profiler_names
from llmprof.profilers.protocol import OptionReader

# Options that identify and locate the model apply to every backend.
_OF_EVERY_BACKEND = frozenset({"offline"})
_OF_EVERY_SCORER = frozenset({"toxicity_model", "toxicity_language"})
# Prompt and protocol options apply to every profile.
OF_EVERY_PROFILE = frozenset({*declared(PromptOptions), "protocol"})


def check_backend(
    backend: str,
    options: LoadingOptions,
    configured: Collection[str] = (),
    *,
    also_read: Collection[str] = (),
) -> None:
    """Refuse an option that neither the backend nor anything else (`also_read`) uses.

    `configured` names options from a configuration file, which serves several commands and backends
    and may contain unused ones.

    Raises:
        UnknownNameError: there is no such backend.
        UsageError: an option belongs to another backend.
    """
    read = backend_reads(backend)
    if read is None:
        return
    allowed = {*read, *_OF_EVERY_BACKEND, *also_read, *configured}
    for name in _given(LoadingOptions, options):
        if name not in allowed:
            used = ", ".join(_flag(LoadingOptions, each) for each in sorted(read)) or "none"
            raise UsageError(
                f"backend {backend!r} does not use {_flag(LoadingOptions, name)}; remove it, or "
                f"choose another --backend (options that it uses: {used})"
            )


def check_no_model(
    options: ProfileOptions,
    configured: Collection[str] = (),
    *,
    also_read: Collection[str] = (),
) -> None:
    """Refuse options of models when a file is profiled.

    Raises:
        UsageError: there is such an option.
    """
    if options.model is not None:
        raise UsageError(
            f"--texts and the model {options.model} exclude each other; give one of them"
        )
    refuse_given(
        "--texts profiles a file without a model",
        (BackendChoice, LoadingOptions, PromptOptions),
        options,
        configured,
        also_read=also_read,
    )
    # The folder of data sets may come from the environment.
    refuse_given(
        "--texts has prompts and completions of its own",
        (DataOptions,),
        options,
        configured,
        also_read={"data_dir", "limit"},
    )


def refuse_given(
    why: str,
    groups: Sequence[type[Options]],
    options: Options,
    configured: Collection[str] = (),
    *,
    also_read: Collection[str] = (),
) -> None:
    """Refuse all options of the groups but those of `also_read`, because of `why`.

    Raises:
        UsageError: there is such an option.
    """
    allowed = {*_OF_EVERY_BACKEND, *also_read, *configured}
    for group in groups:
        for name in _given(group, options):
            if name not in allowed:
                raise UsageError(f"{why}, so {_flag(group, name)} is not used; remove it")


def check_thinking(options: LoadingOptions, prompt_format: str) -> None:
    """Refuse a chat-template option when no chat template is used.

    Raises:
        UsageError: the prompts are plain text.
    """
    if options.thinking is not None and prompt_format in ("completion", "paper"):
        raise UsageError(
            f"--thinking needs a chat template, and --prompt-format {prompt_format} uses "
            f"none; remove one of them"
        )


def check_profilers(
    profilers: Sequence[str], options: ProfilerOptions, configured: Collection[str] = ()
) -> None:
    """Refuse an option that none of the profilers uses.

    A profiler of another package that does not declare its options is assumed to use all of them.

    Raises:
        UsageError: an option belongs to another profiler.
    """
    read = [_reads(name) for name in profilers]
    if None in read:
        return
    allowed = {*OF_EVERY_PROFILE, *configured}.union(*filter(None, read))
    for name in _given(ProfilerOptions, options):
        if name not in allowed:
            able = [each for each in profiler_names() if name in (_reads(each) or ())]
            raise UsageError(
                f"{_flag(ProfilerOptions, name)} is not used by {', '.join(profilers)}; remove it, "
                f"or choose a profile that uses it: {', '.join(able)}"
            )


def check_scorer(options: ScorerOptions, configured: Collection[str] = ()) -> None:
    """Refuse options of toxicity scorers when none is used.

    Raises:
        UsageError: there is such an option.
    """
    groups = (ScorerOptions, *([RecordingOptions] if isinstance(options, RecordingOptions) else []))
    shared = declared(LoadingOptions)
    for group in groups:
        for name in _given(group, options):
            if name not in shared and name not in configured:
                raise UsageError(
                    f"{_flag(group, name)} needs a toxicity scorer, and none is used here; remove "
                    f"it"
                )


def check_scorer_options(
    choice: ScorerChoice,
    options: ScorerLoadingOptions,
    configured: Collection[str] = (),
    *,
    backend: str | None = None,
) -> None:
    """Refuse an option of scorers that none of the chosen ones uses, nor the model's backend.

    `backend` is None where no model is asked.

    Raises:
        UnknownNameError: there is no such backend.
        UsageError: there is such an option.
    """
    read = scorer_reads(choice)
    of_model = frozenset[str]() if backend is None else backend_reads(backend)
    if read is None or of_model is None:
        return
    allowed = {*read, *of_model, *_OF_EVERY_SCORER, *_OF_EVERY_BACKEND, *configured}
    for name in _given(ScorerLoadingOptions, options):
        if name not in allowed:
            raise UsageError(
                f"scorer {choice.name} does not use {_flag(ScorerLoadingOptions, name)}; remove "
                "it, or choose another scorer"
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
