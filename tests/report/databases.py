"""Small results databases, made by the real profilers of samples that tests choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ModelFacts, ProfilerOptions, create_profiler, for_model
from llmprof.results import ProfileResult, RunStart, Store, Work


@dataclass(frozen=True)
class Made:
    """One profiler's samples in a run to store; `metrics` where no profiler makes them."""

    profiler: str
    samples: Sequence[Sample]
    dataset: str = "data"
    sha256: str = "a" * 64
    demonstration: bool = False
    metrics: Sequence[Metric] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    version: str = "1"
    prompts_cut: int = 0
    answers_shortened: int = 0

    def result(self, scorer: str | None) -> ProfileResult:
        version, metrics = self.version, self.metrics
        if metrics is None:
            facts = ModelFacts(scorer=scorer)
            profiler = for_model(
                create_profiler(self.profiler, ProfilerOptions(**self.options)), facts
            )
            version, metrics = profiler.version, profiler.metrics(self.samples)
        items = len({sample.sample_id for sample in self.samples})
        return ProfileResult(
            self.profiler, version, self.dataset, "made", self.sha256, self.demonstration, items,
            self.samples, metrics,
            Work(items, 1, 0, self.prompts_cut, 2, 1.5, n_shortened=self.answers_shortened),
        )  # fmt: skip


def add_run(
    db: Path,
    model: str,
    *made: Made,
    status: str = "complete",
    error: str | None = None,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    identity: Mapping[str, Any] | None = None,
    scorer: str | None = None,
    command: str = "profile",
) -> str:
    """Store a run and return its id."""
    config: dict[str, Any] = {"identity": identity or {}, "options": options or {}}
    if scorer is not None:
        config["scorer"] = {"name": scorer, "identity": {"model": scorer}}
    with Store(db) as store:
        run_id = store.begin_run(RunStart(command, model, "made", config, seed, {"llmprof": "1"}))
        for each in made:
            store.save_profile(run_id, each.result(scorer))
        store.finish_run(run_id, status, error)
    return run_id


def pairs(values: Sequence[float | None]) -> Made:
    """Scores of CrowS-Pairs: whether the stereotypical sentence of each pair is likelier."""
    return Made(
        "crows_pairs",
        [
            Sample(str(place), "more", None if value is None else "less",
                   {"stereotypical": value, "stereo": value, "tie": None if value is None else 0.0},
                   group=f"type-{place % 2}")
            for place, value in enumerate(values)
        ],
    )  # fmt: skip


def texts(lengths: Sequence[float | None]) -> Made:
    """Completions of the textual profile with one characteristic."""
    return Made(
        "textual",
        [
            Sample(str(place), "prompt", "text", {"n_tokens": length})
            for place, length in enumerate(lengths)
        ],
    )
