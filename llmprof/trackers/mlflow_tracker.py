"""MLflow: one of its runs per series, with the steps as those of its metrics."""

from __future__ import annotations

from llmprof.trackers.protocol import TrackedRun

_EXPERIMENT = "llmprof"
_KEY = "llmprof.key"
# MLflow takes no longer value of a parameter.
_LONGEST = 6_000


def record(run: TrackedRun, destination: str | None) -> None:
    """`destination` is a tracking URI; default: MLflow's own, such as `MLFLOW_TRACKING_URI`."""
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient
    from mlflow.utils.time import get_current_time_millis

    client = MlflowClient(destination)
    found = client.get_experiment_by_name(_EXPERIMENT)
    experiment = client.create_experiment(_EXPERIMENT) if found is None else found.experiment_id
    quoted = run.key.replace("'", "\\'")
    known = client.search_runs([experiment], f"tags.`{_KEY}` = '{quoted}'", max_results=1)
    if known:
        run_id = known[0].info.run_id
    else:
        made = client.create_run(experiment, tags={_KEY: run.key}, run_name=run.name)
        run_id = made.info.run_id
        for name, value in run.config.items():
            client.log_param(run_id, name, value[:_LONGEST])
    now = get_current_time_millis()
    metrics = [Metric(name, value, now, run.step) for name, value in run.metrics.items()]
    client.log_batch(run_id, metrics=metrics)
    client.set_tag(run_id, f"llmprof.run.{run.step}", run.run_id)
    client.log_artifact(run_id, str(run.page))
    client.set_terminated(run_id)
