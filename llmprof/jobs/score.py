"""Scores the toxicity of texts that exist already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmprof.backends.registry import create_scorer
from llmprof.datasets import load_texts
from llmprof.errors import StoreError
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.jobs.windows import Listener
from llmprof.options import ScorerChoice
from llmprof.profilers.toxicity import TextToxicity
from llmprof.results import RunStart, Store
from llmprof.results.provenance import git_revision, package_versions
from llmprof.results.reader import read_run, read_samples


@dataclass(frozen=True, slots=True)
class ScoreJob:
    """Everything one `llmprof score` was asked to do; `limit` takes the first N texts."""

    file: Path
    scorer: ScorerChoice
    limit: int | None
    db: Path
    cache_dir: Path


def run_score(job: ScoreJob, listener: Listener) -> str:
    """Score every text and return the run's id; what was scored before comes from the cache.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    with Store(job.db) as store:
        dataset = load_texts(job.file, job.limit)
        scorer = create_scorer(job.scorer)
        profiler = TextToxicity(scorer.name, scorer.model)
        config = {
            "identity": dict(scorer.identity),
            "limit": job.limit,
            "texts": [profiler.version, dataset.name, dataset.sha256],
        }
        start = RunStart(
            "score", scorer.model, scorer.name, config, 0, package_versions(), git_revision()
        )
        prepared = Prepared(scorer, {}, [Loaded(profiler, dataset)])
        return run_prepared(prepared, start, store, job.cache_dir, listener)


def score_lines(db: Path, run_id: str) -> Iterator[str]:
    """One JSON object a text of a run of `llmprof score`, in the order of its file.

    `id`, `text`, `scorer` and every score by its attribute's name; a text without scores has
    `unscored` instead: the scorer's refusal, its failure, or EMPTY.

    Raises:
        StoreError: the database cannot be read.
    """
    with Store(db, read_only=True) as store:
        scorer = read_run(store, run_id).backend
        samples = read_samples(store, run_id, prompts=False)
    for each in samples:
        unscored = {} if each.scores else {"unscored": each.error_class or "EMPTY"}
        line = {"id": each.sample_id, "text": each.response, "scorer": scorer}
        yield json.dumps({**line, **each.scores, **unscored}, ensure_ascii=False)


def write_scores(db: Path, run_id: str, output: Path) -> None:
    """Write `score_lines` to a file.

    Raises:
        StoreError: the database cannot be read, or the file cannot be written.
    """
    try:
        with output.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{line}\n" for line in score_lines(db, run_id))
    except OSError as error:
        raise StoreError(
            f"cannot write {output}: {error.strerror}; choose another --output: the scores are in "
            f"{db}, so nothing is asked again"
        ) from error
