"""Measures the agreement of a scorer with existing scores."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from llmprof.errors import DataError
from llmprof.jobs.references import Reference, ScoredPair, ask_scorer, load_references
from llmprof.jobs.unread import check_scorer_options
from llmprof.jobs.windows import Listener
from llmprof.metrics.samples import Metric
from llmprof.metrics.scorer_agreement import GROUP_SIZE, agreement_metrics, by_group
from llmprof.options import (
    AgreementOptions,
    DataOptions,
    ScorerChoice,
    cache_folder,
    data_options,
    named_scorer,
    names_in,
)

FEWEST_TEXTS = 30


@dataclass(frozen=True, slots=True)
class AgreementJob:
    """The options of one `llmprof agreement`.

    `attributes` are those to compare; if empty, all common ones. `group_by` names a field of the
    reference file, such as the dialect of its texts.
    """

    scorer: ScorerChoice
    references: tuple[str, ...]
    data: DataOptions
    cache_dir: Path
    attributes: tuple[str, ...] = ()
    group_by: str | None = None
    group_size: int = GROUP_SIZE


def agreement_job(options: AgreementOptions, configured: Collection[str] = ()) -> AgreementJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UsageError: a list names nothing, or an option belongs to another scorer.
    """
    cache_dir = cache_folder(options.cache_dir)
    scorer = named_scorer(options.scorer, options, cache_dir)
    check_scorer_options(scorer, options, configured)
    reference, attributes = options.reference, options.attributes
    return AgreementJob(
        scorer=scorer,
        references=() if reference is None else names_in(reference, "--reference"),
        data=data_options(options),
        cache_dir=cache_dir,
        attributes=() if attributes is None else names_in(attributes, "--attributes"),
        group_by=options.group_by,
        group_size=options.group_size,
    )


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of `scorer` with one reference; a metric's group is an attribute.

    With groups of texts, a metric's group is `ATTRIBUTE/GROUP` for each.
    """

    scorer: str
    reference: Reference
    metrics: Sequence[Metric]


def measure_agreement(job: AgreementJob, listener: Listener) -> list[Agreement]:
    """Score the texts of every reference, and compare.

    Raises:
        DataError: a reference has too few texts that the scorer scores.
        UsageError: a reference lacks an attribute or field that was asked for.
        LlmprofError: a file cannot be read, or the scorer cannot be asked.
    """
    references = load_references(job.references, job.data)
    scorer, found = ask_scorer(job.scorer, references, job.cache_dir, listener, job.attributes)
    return [
        Agreement(f"{scorer.name} ({scorer.model})", reference, _metrics(job, reference, pairs))
        for reference, pairs in zip(references, found, strict=True)
    ]


def _metrics(
    job: AgreementJob, reference: Reference, pairs: Mapping[str, Sequence[ScoredPair]]
) -> list[Metric]:
    most = max(map(len, pairs.values()), default=0)
    if most < FEWEST_TEXTS:
        raise DataError(
            f"reference {reference.title}: {most} texts with both scores; agreement needs "
            f"{FEWEST_TEXTS} or more"
        )
    metrics: list[Metric] = []
    for attribute, each in pairs.items():
        metrics += _compared(job, each, len(reference.texts), attribute)
        if job.group_by is None:
            continue
        groups = by_group([_group(pair, job.group_by) for pair in each])
        if not groups:
            raise DataError(
                f"reference {reference.title}: no text has a field {job.group_by!r}; check "
                "--group-by"
            )
        for group, places in groups.items():
            among = [each[place] for place in places]
            metrics += _compared(job, among, len(among), f"{attribute}/{group}")
    return metrics


def _compared(
    job: AgreementJob, pairs: Sequence[ScoredPair], n_total: int, group: str
) -> list[Metric]:
    return agreement_metrics(
        [pair.score for pair in pairs],
        [pair.reference for pair in pairs],
        n_total=n_total,
        group=group,
        group_size=job.group_size,
    )


def _group(pair: ScoredPair, field: str) -> str | None:
    value = pair.fields.get(field)
    return None if value is None or value == "" else str(value)
