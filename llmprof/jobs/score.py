"""Scores the toxicity of texts that exist already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from llmprof.datasets import load_texts
from llmprof.jobs.runner import Loaded, Prepared, run_prepared
from llmprof.jobs.windows import Listener
from llmprof.profilers.text_toxicity import TextToxicity
from llmprof.results import RunStart, Store
from llmprof.results.provenance import git_revision, package_versions
from llmprof.scorers import ScorerChoice, create_scorer


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
    store = Store(job.db)
    try:
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
        prepared = Prepared(scorer, None, [Loaded(profiler, dataset)])
        return run_prepared(prepared, start, store, job.cache_dir, listener)
    finally:
        store.close()
