"""Registry of backends: built-in ones and entry points of installed packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmprof.backends.protocol import READS, Backend, BackendOptions
from llmprof.errors import CapabilityError, UnknownNameError, UsageError
from llmprof.options import ScorerChoice
from llmprof.plugins import Registry
from llmprof.requests import Toxicity

BUILT_IN = {
    "classifier": "llmprof.backends.toxicity.classifier:create",
    "cohere": "llmprof.backends.cohere:create",
    "guard": "llmprof.backends.toxicity.guard:create",
    "huggingface": "llmprof.backends.huggingface:create",
    "moderation": "llmprof.backends.toxicity.moderation:create",
    "openai": "llmprof.backends.managed:create_openai",
    "perspective": "llmprof.backends.toxicity.perspective:create",
    "profanity": "llmprof.backends.toxicity.profanity:create",
    "recorded": "llmprof.backends.toxicity.recorded:create",
    "replay": "llmprof.backends.replay:create",
    "scripted": "llmprof.backends.scripted:create",
    "vllm": "llmprof.backends.managed:create_vllm",
}
SCORERS = ("perspective", "classifier", "profanity", "recorded", "moderation", "guard")
# The options of Perspective's address and rate are not for these.
_NOT_LIKE_PERSPECTIVE = {"moderation", "guard"}
_WITHOUT_MODEL = {"perspective", "profanity"}
# The options of `ScorerLoadingOptions` that each scorer reads, beside its model, the language of
# the texts and `offline`, which are for all.
_READS_OF_SCORERS: Mapping[str, frozenset[str]] = {
    "perspective": frozenset({"perspective_url", "perspective_qps"}),
    "classifier": frozenset({"toxicity_labels", "device", "cluster", "allow_pickle"}),
    "profanity": frozenset(),
    "recorded": frozenset(),
    "moderation": frozenset({"toxicity_url"}),
    "guard": frozenset({"toxicity_url", "device", "allow_pickle"}),
}
_ENGLISH = "en"
# Trained on English alone, as far as their authors say.
_ENGLISH_CLASSIFIERS = ("unitary/toxic-bert", "unitary/unbiased-toxic-roberta")
_REGISTRY = Registry("backend", "llmprof.backends", BUILT_IN, Backend)


def backend_names() -> list[str]:
    """The names of all backends, in alphabetical order."""
    return _REGISTRY.names()


def create_backend(name: str, options: BackendOptions) -> Backend:
    """Create the backend called `name`; imports its packages, loads no weights.

    Raises:
        UnknownNameError: there is no such backend.
        MissingDependencyError, PluginError: another package's backend does not work.
    """
    backend: Backend = _REGISTRY.create(name, options)
    return backend


def advice_on(name: str, options: BackendOptions) -> str | None:
    """A notice for users of this backend about these options, if any."""
    if name != "huggingface":
        return None
    from llmprof.backends.huggingface.load_options import precision_advice

    return precision_advice(options.dtype, options.device)


def backend_reads(name: str) -> frozenset[str] | None:
    """The options that the backend called `name` reads; None if it does not declare them.

    Raises:
        UnknownNameError: there is no such backend.
    """
    read: frozenset[str] | None = getattr(_REGISTRY.load(name), READS, None)
    return read


def scorer_reads(choice: ScorerChoice) -> frozenset[str] | None:
    """The options that a scorer of the list reads; None if one does not declare them."""
    names = (each.partition(":")[0].strip() for each in choice.name.split(","))
    found = [_READS_OF_SCORERS.get(name) for name in names if name]
    return None if None in found else frozenset().union(*filter(None, found))


def create_scorers(choice: ScorerChoice) -> dict[str, Backend]:
    """Create the scorers of a comma-separated list, in its order, with distinct names.

    Each is NAME or NAME:MODEL. `choice.options.model` is for the only one that takes a model and
    has none.

    Raises:
        UsageError: it is not known which scorer a model is for, or one is named twice.
        UnknownNameError: there is no such scorer.
    """
    named = [each.strip().partition(":") for each in choice.name.split(",") if each.strip()]
    model = choice.options.model
    waiting = [name for name, _, own in named if not own and name not in _WITHOUT_MODEL]
    if model is not None and len(named) > 1 and len(waiting) != 1:
        raise UsageError(
            f"it is not clear which of {choice.name} the model {model} is for; write it behind the "
            f"scorer, such as {(waiting or ['classifier'])[0]}:{model}"
        )
    scorers: dict[str, Backend] = {}
    for name, _, own in named:
        given = model if len(named) == 1 or name in waiting else None
        options = replace(choice.options, model=own or given)
        scorer = create_scorer(replace(choice, name=name, options=options))
        label = scorer.name if scorer.name not in scorers else f"{scorer.name}({scorer.model})"
        if label in scorers:
            raise UsageError(f"scorer {label} is named twice; name it once")
        scorers[label] = scorer
    if not scorers:
        raise UsageError("--toxicity-scorer names no scorer; choose one of: " + ", ".join(SCORERS))
    return scorers


def _is_english(scorer: str, model: str | None) -> bool:
    """Whether a scorer scores English texts alone, as far as it is known."""
    if scorer == "classifier":
        return model is None or model.partition("@")[0] in _ENGLISH_CLASSIFIERS
    return scorer == "profanity"


def create_scorer(choice: ScorerChoice) -> Backend:
    """Create the scorer; loads no weights and sends no request.

    Raises:
        UnknownNameError: there is no such scorer.
        CapabilityError: it is a backend that does not score toxicity.
        UsageError: it scores English texts alone, and the texts are in another language.
    """
    if choice.name not in backend_names():
        raise UnknownNameError(
            f"unknown scorer {choice.name!r}; choose one of: {', '.join(SCORERS)}, or an "
            "installed one"
        )
    options = choice.options
    if options.language != _ENGLISH and _is_english(choice.name, options.model):
        named = choice.name if options.model is None else f"{choice.name}:{options.model}"
        raise UsageError(
            f"scorer {named} scores English texts alone, and --toxicity-language is "
            f"{options.language}; choose one that knows it: perspective (18 languages), "
            "moderation, guard, recorded, or classifier with a multilingual --toxicity-model"
        )
    if choice.name in _NOT_LIKE_PERSPECTIVE:
        options = replace(options, base_url=choice.url, rpm=None)
    scorer = create_backend(choice.name, options)
    if Toxicity not in scorer.capabilities:
        raise CapabilityError(
            f"backend {choice.name!r} does not score toxicity; choose one that does, such as: "
            f"{', '.join(SCORERS)}"
        )
    return scorer
