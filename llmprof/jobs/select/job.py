"""The options of one `llmprof select`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from llmprof.backends.candidate_file import most_per_prompt
from llmprof.backends.registry import advice_on
from llmprof.datasets import Answered, Dataset
from llmprof.errors import UnknownNameError, UsageError
from llmprof.jobs.select.aims import Aim, check_weights, parse_aims
from llmprof.jobs.select.criteria import Constraint, kinds_of
from llmprof.jobs.select.given import load_candidates
from llmprof.jobs.select.training_file import FORMATS
from llmprof.jobs.unread import (
    check_backend,
    check_scorer,
    check_scorer_options,
    check_thinking,
    refuse_given,
)
from llmprof.metrics.text import NAMES, chosen_names, in_order
from llmprof.options import (
    BASELINES,
    COMBINATIONS,
    DIRECTIONS,
    BackendChoice,
    BackendOptions,
    DataOptions,
    LoadingOptions,
    ProfilerOptions,
    PromptOptions,
    ScorerChoice,
    ScorerOptions,
    SelectOptions,
    backend_options,
    cache_folder,
    data_options,
    database_file,
    declared,
    names_in,
    part,
    scorer_choice,
)
from llmprof.profilers import CompletionScores, completion_scores
from llmprof.requests import DescribeText, LogLikelihood, RequestType, Toxicity

_DEFAULT_PROMPTS = ProfilerOptions().text_dataset
# Options about prompts and completions that a file of candidates already has.
_OF_SAMPLING = (
    *("models", "prompts", "text_dataset", "data", "k", "continuation"),
    *("temperature", "top_p", "max_new_tokens"),
)


@dataclass(frozen=True, slots=True)
class Drawing:
    """How completions are sampled: `k` per prompt and model, by nucleus sampling.

    With `continuation`, prompts are continued as in the toxicity profile instead of answered; with
    its temperature, top-p and seed, its cached completions are reused.
    """

    k: int = 10
    temperature: float = SelectOptions.temperature
    top_p: float = SelectOptions.top_p
    continuation: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """How a completion is selected: by the largest or smallest `target`.

    With more targets in `also`, `combine` says how they are combined. `diverse` prefers completions
    that add new bigrams. `baseline` "random" selects a random eligible one instead, drawn with
    `seed`.

    Raises:
        UnknownNameError: there is no such metric, direction or baseline.
        UsageError: a weight has no effect.
    """

    target: str
    direction: str = "max"
    where: Constraint | None = None
    baseline: str | None = None
    seed: int = 0
    weight: float = 1.0
    also: tuple[Aim, ...] = ()
    combine: str = "weights"
    diverse: bool = False

    def __post_init__(self) -> None:
        kinds_of(aim.metric for aim in self.aims)
        check_weights(self.aims, self.combine)
        _check("direction", self.direction, DIRECTIONS)
        if self.baseline is not None:
            _check("baseline", self.baseline, BASELINES)

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that decide: the targets and those of the constraint."""
        targets = (aim.metric for aim in self.aims)
        return (*targets, *(self.where.names if self.where else ()))

    @property
    def aims(self) -> tuple[Aim, ...]:
        """All targets; results show the first."""
        return (Aim(self.target, self.direction, self.weight), *self.also)

    @property
    def kinds(self) -> set[RequestType]:
        """The kinds of request that the choice needs the answers to."""
        return kinds_of(self.names)


@dataclass(frozen=True, slots=True)
class SelectJob:
    """The options of one `llmprof select`.

    `prompts` is a data set's name, or a file. `backend_options` apply to each of `models`, except
    for the model name; None is the default model. With `scorer`, completions are scored for
    toxicity; with `likelihood_model`, for their likelihood under that model, on the same backend.
    `metrics` lists additional text metrics for the results, or `all`; the spaCy pipeline
    `spacy_model` computes them. `given` replaces `prompts` and, without `models`, also has the
    completions.

    Raises:
        UnknownNameError: there is no such format.
        UsageError: options are incompatible.
    """

    prompts: str | Path
    models: Sequence[str | None]
    backend: str
    backend_options: BackendOptions
    data: DataOptions
    options: PromptOptions
    drawing: Drawing
    choice: Choice
    output: Path
    format: str
    db: Path
    cache_dir: Path
    scorer: ScorerChoice | None = None
    likelihood_model: str | None = None
    metrics: str | Sequence[str] | None = None
    spacy_model: str | None = None
    given: Dataset[Answered] | None = None

    def __post_init__(self) -> None:
        _check("format", self.format, FORMATS)
        chosen_names(self.metrics)
        options = self.backend_options
        if len(self.models) > 1 and (options.revision or options.adapter):
            raise UsageError(
                "--revision and --adapter apply to one model only; name one in --models, or save "
                "the revision or the adapter as a model folder"
            )

    @property
    def advice(self) -> str | None:
        """A notice to show once a model is needed."""
        return advice_on(self.backend, self.backend_options)

    @property
    def text_metrics(self) -> tuple[str, ...]:
        """The text metrics of each completion: those for the selection, and `metrics`."""
        also = chosen_names(self.metrics) if self.metrics is not None else ()
        deciding = [name for name in self.choice.names if name in NAMES]
        return tuple(in_order({*deciding, *also}))

    @property
    def completion_scores(self) -> tuple[CompletionScores, ...]:
        """What each completion is scored by."""
        known = {each.kind: each for each in completion_scores()}
        texts = replace(known[DescribeText], names=self.text_metrics)
        return (
            *([texts] if texts.names else ()),
            *([known[Toxicity]] if self.scorer is not None else ()),
            *(each for each in completion_scores() if each.rules and self._decides(each)),
        )

    def _decides(self, scores: CompletionScores) -> bool:
        return not set(scores.names).isdisjoint(self.choice.names)

    @property
    def inputs(self) -> list[Path]:
        """The files that the selection reads."""
        prompts = [self.prompts] if isinstance(self.prompts, Path) else []
        return [self.db, *prompts, *(self.scorer.files if self.scorer else ())]

    @property
    def scores_likelihood(self) -> bool:
        return self.likelihood_model is not None or LogLikelihood in self.choice.kinds


def select_job(options: SelectOptions, configured: Collection[str] = ()) -> SelectJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UnknownNameError: a metric or backend is unknown. UsageError: options are incompatible, or
            one belongs to another backend.
    """
    if options.prompts is not None and options.text_dataset is not None:
        raise UsageError("--prompts and --text-dataset exclude each other; give one")
    cache_dir = cache_folder(options.cache_dir)
    given = _given(options, configured)
    first, *also = parse_aims(options.target, options.direction)
    choice = Choice(
        first.metric,
        first.direction,
        Constraint(options.where) if options.where is not None else None,
        options.baseline,
        options.seed,
        first.weight,
        tuple(also),
        options.combine,
        options.diverse,
    )
    scored = Toxicity in choice.kinds or options.toxicity_scorer or options.toxicity_model
    also_read = declared(ScorerOptions) if scored else ()
    if options.candidates is not None:
        _check_asked(options, choice, configured, also_read)
    check_backend(options.backend, options, configured, also_read=also_read)
    check_thinking(options, options.prompt_format)
    _check_choice(choice, configured)
    scorer = scorer_choice(options, cache_dir) if scored else None
    if scorer is None:
        check_scorer(options, configured)
    else:
        asked = options.candidates is None or _wants_likelihood(options, choice)
        backend = options.backend if asked else None
        check_scorer_options(scorer, options, configured, backend=backend)
    job = SelectJob(
        prompts=_prompts(options),
        models=_models(options),
        backend=options.backend,
        backend_options=backend_options(options, cache_dir),
        data=data_options(options),
        options=part(PromptOptions, options),
        drawing=_drawing(options, given),
        choice=choice,
        output=Path(options.output),
        format=options.format,
        db=database_file(options.db),
        cache_dir=cache_dir,
        scorer=scorer,
        likelihood_model=options.likelihood_model,
        metrics=options.metrics,
        spacy_model=options.spacy_model,
        given=given,
    )
    if job.spacy_model is not None and not job.text_metrics and "spacy_model" not in configured:
        raise UsageError(
            "--spacy-model computes text metrics, and none is asked for; remove it, or name some "
            "with --metrics"
        )
    return job


def _check_choice(choice: Choice, configured: Collection[str]) -> None:
    """Refuse ways of choosing that have no effect together."""
    if choice.combine != COMBINATIONS[0] and not choice.also and "combine" not in configured:
        raise UsageError(
            f"--combine {choice.combine} combines several targets, and --target names one; remove "
            "it, or name more, as in mtld+toxicity:min"
        )
    if choice.diverse and choice.baseline is not None and "diverse" not in configured:
        raise UsageError(
            f"--diverse has no effect on --baseline {choice.baseline}, which prefers no "
            "completion; remove one of them"
        )


def _wants_likelihood(options: SelectOptions, choice: Choice) -> bool:
    return options.likelihood_model is not None or LogLikelihood in choice.kinds


def _check_asked(
    options: SelectOptions,
    choice: Choice,
    configured: Collection[str],
    also_read: Collection[str],
) -> None:
    """Refuse options of models that existing candidates do not need.

    Only a likelihood is asked of a model; one that is named has no revision and no adapter.
    """
    if not _wants_likelihood(options, choice):
        refuse_given(
            "--candidates asks a model only for a likelihood, and none is wanted",
            (BackendChoice, LoadingOptions, PromptOptions),
            options,
            configured,
            also_read={*also_read, "seed"},
        )
    elif options.likelihood_model is not None:
        others = declared(LoadingOptions).keys() - {"revision", "adapter"}
        refuse_given(
            "--revision and --adapter are of the models that generate, and --candidates has none",
            (LoadingOptions,),
            options,
            configured,
            also_read=others,
        )


def _prompts(options: SelectOptions) -> str | Path:
    if options.prompts is not None:
        return Path(options.prompts)
    return options.text_dataset or _DEFAULT_PROMPTS


def _models(options: SelectOptions) -> tuple[str | None, ...]:
    if options.candidates is not None:
        return ()
    return (None,) if options.models is None else names_in(options.models, "--models")


def _given(options: SelectOptions, configured: Collection[str]) -> Dataset[Answered] | None:
    """The existing candidates, if the user gives any."""
    if options.candidates is None:
        return None
    defaults = {each.name: each.default for each in fields(SelectOptions)}
    for name in _OF_SAMPLING:
        if getattr(options, name) != defaults[name] and name not in configured:
            raise UsageError(
                f"--candidates already has prompts and completions, so --{name.replace('_', '-')} "
                f"is not used; remove one of them"
            )
    return load_candidates(str(options.candidates), database_file(options.db), options.limit)


def _drawing(options: SelectOptions, given: Dataset[Answered] | None) -> Drawing:
    """How completions are sampled; for existing ones, the maximum number per prompt."""
    if given is not None:
        return Drawing(most_per_prompt(given))
    return Drawing(options.k, options.temperature, options.top_p, continuation=options.continuation)


def _check(what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise UnknownNameError(f"unknown {what} {name!r}; choose one of: {', '.join(known)}")
