"""Prepare a selection: load its prompts, and create its backends without loading weights."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from llmprof.backends import Backend, ChatRenderer, create_backend
from llmprof.backends.candidate_file import candidate_backends
from llmprof.backends.protocol import takes_system_message
from llmprof.backends.registry import create_scorer
from llmprof.backends.text_metrics.describe import create_text_metrics
from llmprof.datasets import Answered, Dataset, Prompt, load_prompts
from llmprof.errors import CapabilityError, DataNotFoundError
from llmprof.jobs.select.candidates import Context, Sampler, put
from llmprof.jobs.select.job import SelectJob
from llmprof.metrics.text import version_of
from llmprof.profilers.prompt_formats import version_of_prompts
from llmprof.requests import Generate, LogLikelihood, Message, RequestType
from llmprof.results import RunStart
from llmprof.results.provenance import git_revision, package_versions

COMMAND = "select"


@dataclass(frozen=True, slots=True)
class Source:
    """A model to sample completions from, with its requests and those to scorers."""

    backend: Backend
    sampler: Sampler

    @property
    def label(self) -> str:
        return self.sampler.label


@dataclass(frozen=True, slots=True)
class Likelihood:
    """A model that scores the likelihood of completions; `contexts` are the prompts as texts."""

    backend: Backend
    contexts: Sequence[Context]


@dataclass(frozen=True, slots=True)
class SelectSetup:
    """Prompts and models of a selection; the last three only if they are needed."""

    dataset: Dataset[Prompt]
    sources: Sequence[Source]
    text_metrics: Backend | None
    scorer: Backend | None
    likelihood: Likelihood | None

    @property
    def labels(self) -> list[str]:
        return [source.label for source in self.sources]

    @property
    def counts(self) -> list[list[int]]:
        """The number of completions by model and prompt."""
        items = self.dataset.items
        return [[source.sampler.count(item) for item in items] for source in self.sources]


def prepare(job: SelectJob) -> SelectSetup:
    """Load the prompts and create the backends, without sending requests.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    dataset = _load(job)
    asked = job.text_metrics
    return SelectSetup(
        dataset=dataset,
        sources=_sources(job),
        text_metrics=create_text_metrics(asked, pipeline=job.spacy_model, cache_dir=job.cache_dir)
        if asked
        else None,
        scorer=create_scorer(job.scorer) if job.scorer else None,
        likelihood=_likelihood(job, dataset) if job.scores_likelihood else None,
    )


def run_start(job: SelectJob, setup: SelectSetup) -> RunStart:
    """The identity of the run."""
    choice, options = job.choice, job.options
    config: dict[str, Any] = {
        "identity": {source.label: dict(source.backend.identity) for source in setup.sources},
        "limit": job.data.limit,
        "prompts": [setup.dataset.name, setup.dataset.sha256],
        "options": {
            "max_new_tokens": options.max_new_tokens,
            "prompt_format": options.prompt_format,
            "system_prompt": options.system_prompt,
            **asdict(job.drawing),
        },
        "target": choice.target,
        "direction": choice.direction,
        "where": choice.where.text if choice.where else None,
        "baseline": choice.baseline,
        "format": job.format,
    }
    if choice.also:
        config["targets"] = [aim.text for aim in choice.aims]
        config["combine"] = choice.combine
    if choice.diverse:
        config["diverse"] = True
    likelihood = setup.likelihood.backend if setup.likelihood else None
    for name, backend in (
        ("text_metrics", setup.text_metrics),
        ("scorer", setup.scorer),
        ("likelihood", likelihood),
    ):
        if backend is not None:
            config[name] = {"name": backend.name, "identity": dict(backend.identity)}
    model, seed = ", ".join(setup.labels), options.seed
    versions = package_versions()
    asked = job.backend if job.models else setup.sources[0].backend.name
    return RunStart(COMMAND, model, asked, config, seed, versions, git_revision())


def protocol_version(job: SelectJob, setup: SelectSetup) -> str:
    """The protocol: everything except the models that must agree for two selections to be
    comparable."""
    choice = job.choice
    parts = [choice.baseline or choice.direction, choice.target, f"of-{job.drawing.k}"]
    if choice.also:
        parts.append(f"{choice.combine}({'+'.join(aim.text for aim in choice.aims)})")
    if choice.diverse:
        parts.append("diverse")
    if len(setup.sources) > 1:
        parts.append(f"from-{len(setup.sources)}-models")
    if choice.where:
        parts.append(f"where({choice.where.text})")
    if job.spacy_model and setup.text_metrics:
        parts.append(f"text-metrics-by-{job.spacy_model}")
    if (metrics := version_of(choice.names)) > 1:
        parts.append(f"text-metrics-{metrics}")
    parts += [f"by-{each.rules}" for each in job.completion_scores if each.rules]
    if setup.scorer:
        parts.append(f"toxicity-by-{setup.scorer.name}({setup.scorer.model})")
    if setup.likelihood:
        parts.append(f"likelihood-by-{setup.likelihood.backend.model}")
    # Version 2: MTLD is undefined for a text without a repeated word, and measured values are
    # preferred. 3: intervals of toxicity are those of values between 0 and 1.
    number = "3" if setup.scorer else "2" if "mtld" in choice.names else "1"
    version = "-".join([*parts, number])
    instructed = job.drawing.continuation or job.options.system_prompt is not None
    names = [
        version_of_prompts(version, job.options, instructed=instructed, **_roles(source.backend))
        for source in setup.sources
    ]
    return max(names, key=len)


def _load(job: SelectJob) -> Dataset[Prompt]:
    if (given := job.given) is not None:
        prompts = tuple(item.prompt for item in given.items)
        return Dataset(given.name, given.source, given.sha256, prompts)
    if not isinstance(job.prompts, Path):
        return load_prompts(job.prompts, job.data)
    file = job.prompts.expanduser()
    if not file.is_file():
        raise DataNotFoundError(f"there is no file {file}; check --prompts")
    return load_prompts(os.path.realpath(file), job.data)


def _sources(job: SelectJob) -> list[Source]:
    if job.given is not None and not job.models:
        return _given_sources(job, job.given)
    backends = [
        create_backend(job.backend, replace(job.backend_options, model=name)) for name in job.models
    ]
    count = Counter(backend.model for backend in backends)
    sources = []
    for name, backend in zip(job.models, backends, strict=True):
        _check_capability(backend, Generate)
        label = backend.model if count[backend.model] == 1 else f"{backend.model} ({name})"
        sampler = Sampler(
            label,
            job.drawing,
            job.options,
            chat=backend.chat,
            system_role=takes_system_message(backend),
            scores=job.completion_scores,
        )
        sources.append(Source(backend, sampler))
    return sources


def _given_sources(job: SelectJob, given: Dataset[Answered]) -> list[Source]:
    """The models of existing completions, which are found by the prompt texts."""
    as_texts = replace(job.options, prompt_format="completion", system_prompt=None)
    return [
        Source(
            backend,
            Sampler(
                backend.model,
                job.drawing,
                as_texts,
                chat=False,
                scores=job.completion_scores,
                existing=backend.counts,
            ),
        )
        for backend in candidate_backends(given)
    ]


def _likelihood(job: SelectJob, dataset: Dataset[Prompt]) -> Likelihood:
    """The model that scores likelihood: the named one, or else the first of `models`."""
    named = job.likelihood_model
    options = (
        replace(job.backend_options, model=next(iter(job.models), None))
        if named is None
        else replace(job.backend_options, model=named, revision=None, adapter=None)
    )
    backend = create_backend(job.backend, options)
    _check_capability(backend, LogLikelihood)
    prompts = (put(item, job.drawing, job.options, **_roles(backend)) for item in dataset.items)
    return Likelihood(backend, [_as_context(prompt, backend) for prompt in prompts])


def _roles(backend: Backend) -> dict[str, bool]:
    return {"chat": backend.chat, "system_role": takes_system_message(backend)}


def _as_context(prompt: str | tuple[Message, ...], backend: Backend) -> Context:
    if isinstance(prompt, str):
        return Context(prompt)
    if isinstance(backend, ChatRenderer):
        return Context(backend.render(prompt), rendered=True)
    raise CapabilityError(
        f"backend {backend.name!r} cannot score a text after a conversation; use --prompt-format "
        "completion, or --backend huggingface"
    )


def _check_capability(backend: Backend, kind: RequestType) -> None:
    if kind not in backend.capabilities:
        able = ", ".join(sorted(each.kind for each in backend.capabilities))
        raise CapabilityError(
            f"backend {backend.name!r} does not answer {kind.kind} requests of {backend.model!r} "
            f"(it answers: {able}); choose another --backend or model"
        )
