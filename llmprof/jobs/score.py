"""The `score` command: score the toxicity of existing texts."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llmprof.backends import Backend
from llmprof.backends.protocol import device_of
from llmprof.backends.registry import create_scorers
from llmprof.datasets import Dataset, Prompt
from llmprof.jobs.dry_run import Plan, plan_prepared
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.jobs.scorers import (
    NOTHING_RECORDED,
    Recording,
    recording,
    scorer_config,
    scorer_facts,
    scorer_name,
)
from llmprof.jobs.text_sources import load_sources
from llmprof.jobs.unread import check_scorer_options
from llmprof.jobs.windows import Listener
from llmprof.options import (
    ScoreOptions,
    ScorerChoice,
    cache_folder,
    database_file,
    scorer_choice,
)
from llmprof.outputs import check_output, new_file
from llmprof.profilers.toxicity import TextToxicity
from llmprof.results import RunStart, Store
from llmprof.results.provenance import git_revision, package_versions
from llmprof.results.reader import read_run, read_samples


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """The options of one `llmprof score`; `limit` takes the first N texts of each source.

    `sources` are files of texts, runs in `db` by id or model, and other results databases.
    """

    sources: tuple[str, ...]
    scorer: ScorerChoice
    limit: int | None
    db: Path
    cache_dir: Path
    recording: Recording = NOTHING_RECORDED
    output: Path | None = None

    @property
    def inputs(self) -> list[Path]:
        """The files that the command reads."""
        return [self.db, *map(Path, self.sources), *self.scorer.files]


def score_job(options: ScoreOptions, configured: Collection[str] = ()) -> ScoreJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UsageError: an option belongs to another scorer.
    """
    cache_dir = cache_folder(options.cache_dir)
    scorer = scorer_choice(options, cache_dir)
    check_scorer_options(scorer, options, configured)
    return ScoreJob(
        sources=tuple(options.sources),
        scorer=scorer,
        limit=options.limit,
        db=database_file(options.db),
        cache_dir=cache_dir,
        recording=recording(options),
        output=None if options.output is None else Path(options.output),
    )


def run_score(job: ScoreJob, listener: Listener) -> str:
    """Score every text and return the run's id; existing scores come from the cache.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    for output in (job.output, job.recording.missing):
        if output is not None:
            check_output(output, inputs=job.inputs)
    with Store(job.db) as store:
        datasets = load_sources(job.sources, store, job.limit)
        scorers = create_scorers(job.scorer)
        first = next(iter(scorers.values()))
        profiler = _profiler(scorers)
        texts = [[profiler.version, each.name, each.sha256] for each in datasets]
        config = {
            "identity": dict(first.identity),
            "limit": job.limit,
            "texts": texts[0] if len(texts) == 1 else texts,
        }
        if scorer_facts(scorers):
            config["scorer"] = scorer_config(scorers)
        name = scorer_name(scorers)
        start = RunStart(
            "score",
            first.model,
            name,
            config,
            0,
            package_versions(),
            git_revision(),
            device=device_of(first),
        )
        prepared = _prepared(job, scorers, profiler, datasets)
        return run_prepared(prepared, start, store, job.cache_dir, listener)


def plan_score(job: ScoreJob) -> list[Plan]:
    """Plan `run_score` without sending requests or writing anything.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    scorers = create_scorers(job.scorer)
    datasets = load_sources(job.sources, job.db, job.limit)
    plain = replace(job, recording=NOTHING_RECORDED)
    return plan_prepared(_prepared(plain, scorers, _profiler(scorers), datasets), job.cache_dir)


def _profiler(scorers: Mapping[str, Backend]) -> TextToxicity:
    first = next(iter(scorers.values()))
    return TextToxicity(first.name, first.model, scorer_facts(scorers))


def _prepared(
    job: ScoreJob,
    scorers: Mapping[str, Backend],
    profiler: TextToxicity,
    datasets: Sequence[Dataset[Prompt]],
) -> Prepared:
    loaded = [Loaded(profiler, dataset) for dataset in datasets]
    first = next(iter(scorers.values()))
    return Prepared(first, scorers, loaded, job.recording.observer(scorers, datasets))


def score_lines(db: Path, run_id: str) -> Iterator[str]:
    """One JSON object per text of a run of `llmprof score`, in the order of its file.

    `id`, `text`, `scorer` and every score by its attribute's name; a text without scores has
    `unscored` instead: the scorer's refusal, its failure, or EMPTY. Of texts of several files or
    runs, `source` comes first.

    Raises:
        StoreError: the database cannot be read.
    """
    with Store(db, read_only=True) as store:
        scorer = read_run(store, run_id).backend
        samples = read_samples(store, run_id, prompts=False)
    is_mixed = len({each.dataset for each in samples}) > 1
    for each in samples:
        source = {"source": each.dataset} if is_mixed else {}
        unscored = {} if each.scores else {"unscored": each.error_class or "EMPTY"}
        line = {**source, "id": each.sample_id, "text": each.response, "scorer": scorer}
        yield json.dumps({**line, **each.scores, **unscored}, ensure_ascii=False)


def write_scores(job: ScoreJob, run_id: str) -> None:
    """Write `score_lines` to the job's output file, if there is one.

    Raises:
        StoreError: the database cannot be read.
        OutputError: the file cannot be written.
    """
    if job.output is not None:
        with (
            new_file(job.output, inputs=job.inputs) as draft,
            draft.open("w", encoding="utf-8", newline="\n") as file,
        ):
            file.writelines(f"{line}\n" for line in score_lines(job.db, run_id))
