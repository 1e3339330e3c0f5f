"""llmprof from Python: profile a model, and read what is stored as values or data frames."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from llmprof.options import (
    DEFAULT_BACKEND,
    DEFAULT_PERSPECTIVE_QPS,
    DEFAULT_PROFILERS,
    MODEL,
    PROFILE,
    database_file,
)

if TYPE_CHECKING:
    import pandas

    from llmprof.results.reader import MetricRow, RunRow, SampleRow


@dataclass(frozen=True, slots=True)
class Results:
    """Runs and their metrics. Samples may be many: they are read from `db` when asked for."""

    db: Path
    runs: tuple[RunRow, ...]
    metrics: tuple[MetricRow, ...]

    def samples(self, profiler: str | None = None) -> list[SampleRow]:
        """Every scored response of the runs, or of one profiler.

        Raises:
            StoreError: the database cannot be read.
        """
        from llmprof.results import Store
        from llmprof.results.reader import read_samples

        with Store(self.db, read_only=True) as store:
            return [
                sample
                for run in self.runs
                for sample in read_samples(store, run.id, profiler=profiler)
            ]

    def metrics_frame(self) -> pandas.DataFrame:
        """One row a metric, with the fields of `MetricRow`; None is NaN."""
        from llmprof.results.reader import MetricRow

        frame = _frame(self.metrics, [each.name for each in fields(MetricRow)])
        return frame.astype(dict.fromkeys(("value", "ci_low", "ci_high"), "float64"))

    def samples_frame(self, profiler: str | None = None) -> pandas.DataFrame:
        """One row a response, with the fields of `SampleRow`, and a column for each score.

        A score that a response does not have is NaN. One that is called like a field has `_score`
        at the end of its name.

        Raises:
            StoreError: the database cannot be read.
        """
        import pandas

        from llmprof.results.reader import SampleRow

        samples = self.samples(profiler)
        names = [each.name for each in fields(SampleRow) if each.name != "scores"]
        scores = pandas.DataFrame([dict(each.scores) for each in samples], dtype="float64")
        return _frame(samples, names).join(scores, rsuffix="_score")


def _frame(values: Sequence[object], names: list[str]) -> pandas.DataFrame:
    import pandas

    rows = [[getattr(each, name) for name in names] for each in values]
    return pandas.DataFrame(rows, columns=names)


def load_results(db: str | Path | None = None, run: str | Sequence[str] | None = None) -> Results:
    """Read results: those of `run`, an id or its beginning, or several; else of every complete run.

    `db` None is `LLMPROF_DB`, or else llmprof.db here. A run that is named is read whatever its
    status. Nothing is asked of a model.

    Raises:
        StoreError: the database cannot be read, or has no such run.
    """
    from llmprof.results import COMPLETE, Store
    from llmprof.results.reader import find_run, read_metrics, read_runs

    path = database_file(db)
    with Store(path, read_only=True) as store:
        if run is None:
            runs = read_runs(store, status=COMPLETE)
        else:
            names = [run] if isinstance(run, str) else run
            runs = [find_run(store, name) for name in names]
        metrics = [metric for each in runs for metric in read_metrics(store, each.id)]
    return Results(path, tuple(runs), tuple(metrics))


def profile(
    model: str | None = None,
    *,
    profilers: str | Sequence[str] = DEFAULT_PROFILERS,
    backend: str = DEFAULT_BACKEND,
    revision: str | None = None,
    adapter: str | None = None,
    dtype: str = MODEL.dtype,
    quantize: str = MODEL.quantize,
    device: str = MODEL.device,
    device_map: str | None = None,
    batch_size: int | None = None,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
    prompt_format: str = PROFILE.prompt_format,
    system_prompt: str | None = None,
    max_new_tokens: int = PROFILE.max_new_tokens,
    seed: int = PROFILE.seed,
    pooling: str = PROFILE.pooling,
    layer: int = PROFILE.layer,
    base_url: str | None = None,
    concurrency: int | None = None,
    rpm: float | None = None,
    timeout: float | None = None,
    safety_mode: str | None = None,
    toxicity_scorer: str | None = None,
    toxicity_model: str | None = None,
    toxicity_samples: int = PROFILE.toxicity_samples,
    record: str | Path | None = None,
    missing: str | Path | None = None,
    perspective_url: str | None = None,
    perspective_qps: float = DEFAULT_PERSPECTIVE_QPS,
    bos_token: str | None = None,
    data: str | None = None,
    data_dir: str | Path | None = None,
    text_dataset: str = PROFILE.text_dataset,
    metrics: str | Sequence[str] | None = PROFILE.metrics,
    calibration_data: str | None = None,
    protocol: str = PROFILE.protocol,
    limit: int | None = None,
    db: str | Path | None = None,
    cache_dir: str | Path | None = None,
    offline: bool = False,
    quiet: bool = False,
) -> Results:
    """Profile a model and return the results of the run, which are stored in `db` too.

    The options are those of `llmprof profile`, with the same meanings and defaults, environment
    variables included (see `docs/reference/cli.md`); no configuration file is read. `batch_size`
    None is automatic. What was asked before comes from the cache: after an interruption, the same
    call goes on where it stopped. Works in a notebook, and blocks.

    Raises:
        LlmprofError: with what was wrong and what to do.
    """
    values = dict(locals())  # The options and nothing else: there is no other name yet.
    from llmprof.console.progress import show_progress
    from llmprof.jobs.profile import profile_job, run_profile

    if not isinstance(profilers, str):
        values["profilers"] = ",".join(profilers)
    if metrics is not None and not isinstance(metrics, str):
        values["metrics"] = ",".join(metrics)
    job = profile_job(values)
    if job.notice and not quiet:
        print(f"llmprof: {job.notice}", file=sys.stderr)
    with show_progress(quiet=quiet) as listener:
        run_id = run_profile(job, listener)
    return load_results(job.db, run_id)
