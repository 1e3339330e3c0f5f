"""The `profile` command: prepare its profilers, data and backends; plan or run it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.backends import Backend, create_backend
from llmprof.backends.protocol import device_of, parameters_of
from llmprof.backends.refusal_judge import create_refusal_judge
from llmprof.backends.registry import advice_on, create_scorers
from llmprof.backends.text_metrics.describe import create_text_metrics
from llmprof.backends.text_metrics.pipelines import notice_about
from llmprof.datasets import load_completions
from llmprof.datasets.data_sample import DataSample, load_part
from llmprof.errors import UsageError
from llmprof.jobs.capability_check import check_capabilities
from llmprof.jobs.dry_run import Plan, plan_prepared
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.jobs.scorers import (
    NO_BRIDGES,
    NOTHING_RECORDED,
    BridgeChoice,
    Recording,
    model_facts,
    recording,
    scorer_config,
    text_facts,
)
from llmprof.jobs.unread import (
    check_backend,
    check_no_model,
    check_profilers,
    check_scorer,
    check_scorer_options,
    check_thinking,
)
from llmprof.jobs.windows import Listener
from llmprof.metrics.text import ENGLISH, chosen_names
from llmprof.options import (
    DEFAULT_PROFILERS,
    TEXT_PROFILERS,
    BackendOptions,
    DataOptions,
    ProfileOptions,
    ProfilerOptions,
    ScorerChoice,
    ScorerOptions,
    backend_options,
    cache_folder,
    data_options,
    database_file,
    declared,
    names_in,
    part,
    scorer_choice,
)
from llmprof.profilers import (
    Profiler,
    create_profiler,
    for_model,
    parse_profilers,
)
from llmprof.profilers.answered import of_each_prompt, profiled_texts
from llmprof.requests import DescribeText, JudgeRefusal, Toxicity
from llmprof.results import RunStart, Store
from llmprof.results.naming import check_name
from llmprof.results.provenance import git_revision, package_versions
from llmprof.results.series import SeriesPlace, add_to_series

# The backend name of a run that profiles a file of completions.
TEXTS = "texts"


@dataclass(frozen=True, slots=True)
class ProfileJob:
    """The options of one `llmprof profile`; `scorer` scores toxicity.

    `texts` is a file of prompts and completions, which is profiled instead of a model; `place` is
    the model's step in a series; `judge_url` is the address of a judge of refusals. `variation`
    names the run among those of `--vary`.
    """

    profilers: tuple[str, ...]
    backend: str
    backend_options: BackendOptions
    data: DataOptions
    options: ProfilerOptions
    db: Path
    cache_dir: Path
    scorer: ScorerChoice | None = None
    bridges: BridgeChoice = NO_BRIDGES
    recording: Recording = NOTHING_RECORDED
    name: str | None = None
    sampling: DataSample | None = None
    texts: Path | None = None
    place: SeriesPlace | None = None
    judge_url: str | None = None
    variation: str = ""

    @property
    def advice(self) -> str | None:
        """A notice to show once a model is needed."""
        return advice_on(self.backend, self.backend_options)

    @property
    def notice(self) -> str | None:
        """A notice about a default that was chosen, or about something that is missing."""
        told = []
        if self.scorer is not None and needs_scorer(self.profilers):
            told.append(self.scorer.notice)
        if self.options.language != ENGLISH:
            told.append(notice_about(self.options.language))
        return "; ".join(filter(None, told)) or None


def profile_job(options: ProfileOptions, configured: Collection[str] = ()) -> ProfileJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UnknownNameError: a profiler or backend is unknown, or no profiler is named. UsageError: an
            option belongs to another profiler or backend.
    """
    cache_dir = cache_folder(options.cache_dir)
    profilers = parse_profilers(_profilers(options))
    scored = needs_scorer(profilers)
    also_read = declared(ScorerOptions) if scored else ()
    if options.texts is not None:
        check_no_model(options, configured, also_read=also_read)
    check_backend(options.backend, options, configured, also_read=also_read)
    check_profilers(profilers, options, configured)
    check_thinking(options, options.prompt_format)
    if options.refusal_judge_url is not None and options.refusal_judge is None:
        raise UsageError("--refusal-judge-url needs --refusal-judge; give both, or remove it")
    scorer = scorer_choice(options, cache_dir)
    if scored:
        backend = options.backend if options.texts is None else None
        check_scorer_options(scorer, options, configured, backend=backend)
    else:
        check_scorer(options, configured)
        if options.toxicity_bridge is not None:
            raise UsageError(
                "--toxicity-bridge needs a toxicity scorer, and none is used here; remove it"
            )
    return ProfileJob(
        profilers=profilers,
        backend=options.backend,
        backend_options=backend_options(options, cache_dir, options.model),
        data=data_options(options),
        options=part(ProfilerOptions, options),
        db=database_file(options.db),
        cache_dir=cache_dir,
        scorer=scorer,
        bridges=_bridges(options),
        recording=recording(options),
        name=None if options.name is None else check_name(options.name),
        sampling=_sampling(options),
        texts=None if options.texts is None else Path(options.texts).expanduser(),
        judge_url=options.refusal_judge_url,
    )


def _profilers(options: ProfileOptions) -> str | Sequence[str]:
    """The named profilers; for a file, all default ones that are possible."""
    if options.texts is None or options.profilers != DEFAULT_PROFILERS:
        return options.profilers
    scored = options.toxicity_scorer is not None or options.toxicity_model is not None
    return TEXT_PROFILERS if scored else TEXT_PROFILERS[:1]


def _sampling(options: ProfileOptions) -> DataSample | None:
    if options.sample is None:
        if options.sample_seed:
            raise UsageError("--sample-seed needs --sample N; give both, or remove it")
        return None
    if options.limit is not None:
        raise UsageError("--sample draws items and --limit takes the first ones; give one of them")
    return DataSample(options.sample, options.sample_seed)


def _bridges(options: ProfileOptions) -> BridgeChoice:
    if options.toxicity_bridge is None:
        return BridgeChoice(language=options.toxicity_language)
    files = names_in(options.toxicity_bridge, "--toxicity-bridge")
    return BridgeChoice(files, options.toxicity_language)


def plan_profile(job: ProfileJob) -> list[Plan]:
    """Plan `run_profile` without sending requests or writing results.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    prepared, _ = ready(job)
    return plan_prepared(prepared, job.cache_dir)


def run_profile(job: ProfileJob, listener: Listener, backend: Backend | None = None) -> str:
    """Run the job and return the run's id; existing answers come from the cache.

    A complete run of a series or a variation is not repeated. `backend` replaces the one that the
    job names.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    # Open the store first, so that a folder that cannot be written is reported at once.
    with Store(job.db) as store:
        prepared, start = ready(job, backend)
        once = job.place is not None or job.variation
        run_id = store.complete_run(start) if once else None
        if run_id is None:
            run_id = run_prepared(prepared, start, store, job.cache_dir, listener)
        if job.place is not None:
            add_to_series(store, job.place, run_id)
        return run_id


def ready(job: ProfileJob, backend: Backend | None = None) -> tuple[Prepared, RunStart]:
    """The prepared requests and the identity of the run; sends nothing.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    if job.texts is not None:
        return _prepare_texts(job, job.texts)
    prepared = _prepare(job, backend)
    return prepared, _start(job, prepared)


def _prepare(job: ProfileJob, backend: Backend | None) -> Prepared:
    # Load data and scorer first, so that missing ones are reported before a model is converted.
    profilers = [create_profiler(name, job.options) for name in job.profilers]
    data = [load_part(profiler.load, job.data, job.sampling) for profiler in profilers]
    scorers = create_scorers(job.scorer) if job.scorer and _ask_toxicity(profilers) else {}
    text_metrics = _text_metrics(job, profilers)
    judge = _judge(job, profilers)
    backend = backend or create_backend(job.backend, job.backend_options)
    facts = model_facts(backend, scorers, job.bridges)
    bound = [for_model(profiler, facts) for profiler in profilers]
    check_capabilities(bound, backend, facts, job.options)
    loaded = [
        Loaded(profiler, dataset)
        for profiler, datasets in zip(bound, data, strict=True)
        for dataset in datasets
    ]
    observer = job.recording.observer(scorers, (each.dataset for each in loaded))
    return Prepared(backend, scorers, loaded, observer, text_metrics, judge)


def _prepare_texts(job: ProfileJob, file: Path) -> tuple[Prepared, RunStart]:
    """The prepared requests about the completions in a file, and the identity of the run."""
    (dataset,) = load_part(
        lambda data: [load_completions(file, data.limit)], job.data, job.sampling
    )
    job = replace(job, options=of_each_prompt(job.options, dataset))
    scorers = create_scorers(job.scorer) if job.scorer and needs_scorer(job.profilers) else {}
    facts = text_facts(scorers, job.bridges)
    loaded = [Loaded(*profiled_texts(name, job.options, facts, dataset)) for name in job.profilers]
    text_metrics = _text_metrics(job, [each.profiler for each in loaded])
    # Without any requests, the run still names the backend of text metrics.
    backend = text_metrics or next(iter(scorers.values()), None) or _text_describer(job)
    observer = job.recording.observer(scorers, [dataset])
    prepared = Prepared(backend, scorers, loaded, observer, text_metrics)
    return prepared, replace(_start(job, prepared), model=dataset.name, backend=TEXTS)


def _judge(job: ProfileJob, profilers: Sequence[Profiler]) -> Backend | None:
    """The judge of refusals, if a profiler needs it."""
    name = job.options.refusal_judge
    if name is None or not any(JudgeRefusal in profiler.needs for profiler in profilers):
        return None
    options = BackendOptions(
        base_url=job.judge_url,
        device=job.backend_options.device,
        offline=job.backend_options.offline,
        cache_dir=job.cache_dir,
    )
    return create_refusal_judge(name, options)


def _text_metrics(job: ProfileJob, profilers: Sequence[Profiler]) -> Backend | None:
    """The backend that computes text metrics, if a profiler needs it."""
    if not any(DescribeText in profiler.needs for profiler in profilers):
        return None
    return _text_describer(job)


def _text_describer(job: ProfileJob) -> Backend:
    language, pipeline = job.options.language, job.options.spacy_model
    metrics = chosen_names(job.options.metrics, language)
    return create_text_metrics(
        metrics, language=language, pipeline=pipeline, cache_dir=job.cache_dir
    )


def needs_scorer(profilers: Sequence[str]) -> bool:
    """Whether any of these profilers needs a toxicity scorer."""
    return _ask_toxicity([create_profiler(name, ProfilerOptions()) for name in profilers])


def _ask_toxicity(profilers: Sequence[Profiler]) -> bool:
    return any(Toxicity in profiler.needs for profiler in profilers)


def _start(job: ProfileJob, prepared: Prepared) -> RunStart:
    backend = prepared.backend
    versions = package_versions()
    config: dict[str, Any] = {
        "identity": dict(backend.identity),
        "limit": job.data.limit,
        **(
            {}
            if job.sampling is None
            else {"sample": job.sampling.size, "sample_seed": job.sampling.seed}
        ),
        "options": asdict(job.options),
        "profiles": [
            [each.profiler.name, each.profiler.version, each.dataset.name, each.dataset.sha256]
            for each in prepared.loaded
        ],
    }
    if prepared.judge is not None:
        config["judge"] = dict(prepared.judge.identity)
    if prepared.scorers:
        config["scorer"] = scorer_config(prepared.scorers, job.bridges)
    return RunStart(
        "profile",
        backend.model,
        backend.name,
        config,
        job.options.seed,
        versions,
        git_revision(),
        job.name,
        device_of(backend),
        parameters_of(backend),
    )
