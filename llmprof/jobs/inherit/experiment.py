"""The options of one `llmprof inherit`, and its arms (the data that students are trained on)."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.errors import SelectionError, UnknownNameError, UsageError
from llmprof.jobs.benchmark import BenchmarkJob, benchmark_job
from llmprof.jobs.benchmark.tasks import prepare_process
from llmprof.jobs.profile import ProfileJob, needs_scorer, profile_job
from llmprof.jobs.select import Drawing, SelectJob, select_job
from llmprof.jobs.select.aims import Aim, parse_aims
from llmprof.jobs.select.criteria import kinds_of
from llmprof.jobs.training import Lesson, Student, TrainingRecipe, read_recipe
from llmprof.jobs.training.lessons import read_turns
from llmprof.options import (
    ARMS,
    SOURCES,
    TEXT_PROFILERS,
    BackendOptions,
    BenchmarkOptions,
    DataOptions,
    InheritOptions,
    LoadingOptions,
    ProfileOptions,
    PromptOptions,
    ScorerOptions,
    SelectOptions,
    StorageOptions,
    backend_options,
    cache_folder,
    database_file,
    names_in,
)
from llmprof.options.loading import DEFAULT_BACKEND
from llmprof.options.option import values_of
from llmprof.profilers import parse_profilers
from llmprof.profilers.answered import reads_texts
from llmprof.requests import Toxicity

DEFAULT_TARGET = "n_tokens"
DEFAULT_PROMPTS = "dolly200_val"
# Names of files: training data, and the student's own completions that data are compared with.
DATA, REFERENCE = "data", "reference"
TARGET, RANDOM, ALL = ARMS
# By the training objective, and whether the student gets messages.
_FORMATS = {
    ("sft", True): "messages",
    ("sft", False): "prompt-completion",
    ("dpo", True): "preference-messages",
    ("dpo", False): "preference",
}
# With fewer examples, a student would only memorise them.
FEWEST_EXAMPLES = 8


@dataclass(frozen=True, slots=True)
class Arm:
    """One file of training data: the source of its completions and their selection. `select` writes
    the file."""

    name: str
    kind: str
    source: str
    target: tuple[Aim, ...]
    select: SelectJob

    @property
    def file(self) -> Path:
        return self.select.output


@dataclass(frozen=True)
class InheritJob:
    """The options of one `llmprof inherit`, as the jobs that it consists of.

    `reference` writes one completion of the student for each prompt, with which the data are
    compared.
    """

    options: InheritOptions
    output: Path
    student: Student
    teachers: tuple[str | None, ...]
    arms: tuple[Arm, ...]
    reference: SelectJob
    targets: tuple[tuple[Aim, ...], ...]
    seeds: tuple[int, ...]
    recipe: TrainingRecipe
    profilers: tuple[str, ...]
    db: Path
    cache_dir: Path

    @property
    def notice(self) -> str | None:
        """A notice about a default that was chosen."""
        return self.of_model(self.options.student).notice

    def lesson(self, arm: Arm, seed: int) -> Lesson:
        """The training data of an arm's students, once its file exists.

        Raises:
            SelectionError: the file has too few examples.
        """
        turns = read_turns(arm.file)
        if len(turns) < FEWEST_EXAMPLES:
            raise SelectionError(
                f"{arm.name}: the selection leaves {len(turns)} examples to train on, and at "
                f"least {FEWEST_EXAMPLES} are needed; give more prompts, a larger --k or a wider "
                "--where"
            )
        return Lesson(tuple(turns), self.recipe, seed)

    def of_model(self, model: str | None, **loading: Any) -> ProfileJob:
        """The profile of a model of the student's backend."""
        options = replace(self._profile(self.profilers), model=model)
        return profile_job(replace(options, backend=DEFAULT_BACKEND, **loading))

    def of_teacher(self, model: str | None) -> ProfileJob:
        """The profile of a teacher."""
        options = replace(self._profile(self.profilers), model=model)
        return profile_job(replace(options, backend=self.options.backend))

    def of_file(self, file: Path) -> ProfileJob | None:
        """The profile of a data file; None if no profiler reads completions."""
        able = tuple(name for name in self.profilers if reads_texts(name))
        if not able:
            return None
        made = profile_job(self._profile(able))
        return replace(made, texts=file, data=replace(made.data, limit=None))

    def benchmark(self, model: str | None, **loading: Any) -> BenchmarkJob | None:
        """The benchmarks of a model of the student's backend; None where none are asked for."""
        options = self.options
        if options.benchmarks is None:
            return None
        values = values_of(StorageOptions, options) | values_of(LoadingOptions, options)
        made = BenchmarkOptions(
            model=model,
            backend=DEFAULT_BACKEND,
            tasks=names_in(options.benchmarks, "--benchmarks"),
            include_path=options.include_path,
            limit=options.limit,
            **values | loading,
        )
        return benchmark_job(made)

    def _profile(self, profilers: Sequence[str]) -> ProfileOptions:
        options = self.options
        groups: list[type[Any]] = [StorageOptions, DataOptions, PromptOptions, LoadingOptions]
        asks_toxicity = needs_scorer(profilers)
        if asks_toxicity:
            groups.append(ScorerOptions)
        values = {
            name: value for each in groups for name, value in values_of(each, options).items()
        }
        if asks_toxicity:
            values |= {
                "toxicity_samples": options.toxicity_samples,
                "toxicity_prompts": options.toxicity_prompts,
            }
        if TEXT_PROFILERS[0] in profilers:
            values |= {"text_dataset": options.evaluation, "metrics": options.metrics}
        if any(reads_texts(name) for name in profilers):
            values |= {"temperature": options.temperature, "top_p": options.top_p}
        return ProfileOptions(profilers=",".join(profilers), **values)


def inherit_job(options: InheritOptions, configured: Collection[str] = ()) -> InheritJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UnknownNameError: a metric, arm, profiler or backend is unknown. UsageError: options are
            incompatible. ConfigError: the recipe contains unknown names.
        LlmprofError: the student cannot be found.
    """
    cache_dir = cache_folder(options.cache_dir)
    recipe = _recipe(options)
    targets = tuple(_targets(options))
    seeds = tuple(map(_seed, names_in(options.seeds, "--seeds")))
    kinds = _known("--arms", names_in(options.arms, "--arms"), ARMS)
    if recipe.objective == "dpo" and ALL in kinds:
        raise UsageError(
            "dpo learns pairs of completions, and arm all has single ones; leave all out of "
            "--arms, or train by sft"
        )
    given = options.teachers
    teachers: tuple[str | None, ...] = (
        (options.student,) if given is None else names_in(given, "--teachers")
    )
    if options.candidates is not None:
        if given is not None:
            raise UsageError("--candidates and --teachers exclude each other; give one")
        teachers = ()
    # With existing candidates, the student still samples as these say.
    configured = {*configured, "temperature", "top_p", "max_new_tokens"}
    student = Student(_student_options(options, cache_dir), cache_dir)
    form = _format(student, options, recipe)
    folder = Path(options.output).expanduser()
    arms = tuple(_arms(options, configured, teachers, kinds, targets, form, folder))
    reference = select_job(
        _selection(options, (), parse_aims("generated_tokens"), form, folder / DATA / REFERENCE),
        configured,
    )
    reference = replace(
        reference,
        backend=DEFAULT_BACKEND,
        drawing=Drawing(1, options.temperature, options.top_p),
        choice=replace(reference.choice, baseline=RANDOM, where=None, diverse=False),
        models=(options.student,),
        format=_FORMATS["sft", form.endswith("messages")],
        scorer=None,
    )
    if options.include_path is not None and options.benchmarks is None:
        raise UsageError("--include-path is of --benchmarks; give both, or remove it")
    if options.benchmarks is not None:
        # Before the student is loaded, which imports what reads this.
        prepare_process(offline=options.offline)
    return InheritJob(
        options=options,
        output=folder,
        student=student,
        teachers=teachers,
        arms=arms,
        reference=reference,
        targets=targets,
        seeds=seeds,
        recipe=recipe,
        profilers=_profilers(options, targets),
        db=database_file(options.db),
        cache_dir=cache_dir,
    )


def _recipe(options: InheritOptions) -> TrainingRecipe:
    recipe = (
        TrainingRecipe()
        if options.recipe is None
        else read_recipe(Path(options.recipe).expanduser())
    )
    if options.objective is not None:
        recipe = replace(recipe, objective=options.objective)
    if options.method is not None:
        recipe = replace(recipe, method=options.method)
    return recipe


def _targets(options: InheritOptions) -> Iterator[tuple[Aim, ...]]:
    named = options.target or [DEFAULT_TARGET]
    for text in dict.fromkeys(part for each in named for part in names_in(each, "--target")):
        aims = parse_aims(text)
        kinds_of(aim.metric for aim in aims)
        yield aims


def _label(target: Sequence[Aim]) -> str:
    return "+".join(aim.text for aim in target)


def _asks_toxicity(target: Sequence[Aim]) -> bool:
    return Toxicity in kinds_of(aim.metric for aim in target)


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise UsageError(
            f"--seeds: {text!r} is not a seed; give whole numbers from 0 to {2**32 - 1}"
        )
    return int(text)


def _known(option: str, names: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise UnknownNameError(
                f"{option}: unknown {name!r}; choose one or more of: {', '.join(known)}"
            )
    return tuple(names)


def _student_options(options: InheritOptions, cache_dir: Path) -> BackendOptions:
    if options.prompts is not None and options.text_dataset is not None:
        raise UsageError("--prompts and --text-dataset exclude each other; give one")
    if options.adapter is not None or options.quantize != "none":
        raise UsageError(
            "--adapter and --quantize cannot be used with a student that is trained; merge the "
            "adapter into a model folder, or remove them"
        )
    return backend_options(options, cache_dir, options.student)


def _format(student: Student, options: InheritOptions, recipe: TrainingRecipe) -> str:
    """The format of the training files: conversations if the student gets conversations."""
    chat = options.prompt_format == "chat" or (
        options.prompt_format == "auto" and bool(student.model.chat_template)
    )
    if chat and not student.model.chat_template:
        raise UsageError(
            f"--prompt-format chat: model {student.model.name} has no chat template to train with; "
            f"choose a chat model, or remove the option"
        )
    return _FORMATS[recipe.objective, chat]


def _arms(
    options: InheritOptions,
    configured: Collection[str],
    teachers: Sequence[str | None],
    kinds: Sequence[str],
    targets: Sequence[tuple[Aim, ...]],
    form: str,
    folder: Path,
) -> Iterator[Arm]:
    sources = _known("--sources", names_in(options.sources, "--sources"), SOURCES)
    chosen: list[tuple[str, tuple[str | None, ...]]] = []
    if not teachers:
        chosen.append((str(options.candidates), ()))
    elif SOURCES[0] in sources or len(teachers) == 1:
        chosen += [(_short(each or "student"), (each,)) for each in teachers]
    if SOURCES[1] in sources and len(teachers) > 1:
        chosen.append(("all teachers", tuple(teachers)))
    for source, models in chosen:
        before = f"{source}, " if len(chosen) > 1 else ""
        for kind in kinds:
            for target in targets if kind == TARGET else targets[:1]:
                name = before + (_label(target) if kind == TARGET else kind)
                file = folder / DATA / _file_name(name)
                selection = _selection(options, models, target, form, file)
                job = select_job(selection, configured)
                if kind != TARGET:
                    job = replace(job, choice=replace(job.choice, baseline=RANDOM, diverse=False))
                yield Arm(name, kind, source, target if kind == TARGET else (), job)


def _selection(
    options: InheritOptions,
    models: Sequence[str | None],
    target: Sequence[Aim],
    form: str,
    file: Path,
) -> SelectOptions:
    groups: list[type[Any]] = [StorageOptions, DataOptions, PromptOptions, LoadingOptions]
    if _asks_toxicity(target):
        groups.append(ScorerOptions)
    values = {name: value for each in groups for name, value in values_of(each, options).items()}
    named = [each for each in models if each is not None]
    return SelectOptions(
        output=file.with_suffix(".jsonl"),
        target=_label(target),
        combine=options.combine,
        diverse=options.diverse,
        where=options.where,
        format=form,
        models=named or None,
        candidates=options.candidates,
        k=options.k,
        temperature=options.temperature,
        top_p=options.top_p,
        prompts=options.prompts,
        text_dataset=None
        if options.prompts or options.candidates
        else options.text_dataset or DEFAULT_PROMPTS,
        backend=options.backend,
        **values,
    )


def _profilers(options: InheritOptions, targets: Sequence[tuple[Aim, ...]]) -> tuple[str, ...]:
    if options.profilers is not None:
        return parse_profilers(options.profilers)
    needed = any(map(_asks_toxicity, targets))
    scored = needed or options.toxicity_scorer is not None or options.toxicity_model is not None
    return TEXT_PROFILERS if scored else TEXT_PROFILERS[:1]


def _short(model: str) -> str:
    return Path(model).name or model


def _file_name(name: str) -> str:
    """The arm's name as a file name that is valid on any system.

    >>> _file_name("all teachers, mtld:max")
    'all-teachers-mtld-max'
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or DATA
