"""A run's results as a record of Every Eval Ever, the shared schema of the EvalEval Coalition.

Version 0.3.0 of its `eval.schema.json`: https://github.com/evaleval/every_eval_ever
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from llmprof.errors import LlmprofError, UnknownNameError, UsageError
from llmprof.jobs.hub_results import hub_data_set, summaries
from llmprof.metrics.intervals import CONFIDENCE
from llmprof.profilers import Scale
from llmprof.report.build import build_report
from llmprof.report.contents import ReportedRun, Row, Section, Value
from llmprof.safe_text import printable

SCHEMA_VERSION = "0.3.0"
RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")
# Parts of the identity of a model that runs on the user's own machine.
_OWN_WEIGHTS = ("fingerprint", "revision", "live")


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """A record as JSON text, and the metrics that are not in it: those without a direction."""

    text: str
    results: int
    left_out: tuple[str, ...]


def evaluation_record(
    db: Path, run: str, *, organization: str, relationship: str
) -> EvaluationRecord:
    """The metrics of a run that stand for whole data sets, with their intervals.

    `organization` made the run, and `relationship` is theirs to the model's developer. The schema
    requires for each metric whether lower is better. Metrics without a direction, or with an ideal
    between their bounds, are therefore left out.

    Raises:
        UnknownNameError: there is no such run or relationship.
        LlmprofError: the schema accepts no metric of the run.
    """
    if relationship not in RELATIONSHIPS:
        raise UnknownNameError(
            f"unknown relationship {relationship!r}; choose one of: {', '.join(RELATIONSHIPS)}"
        )
    if not organization.strip():
        raise UsageError("the organization is empty; give its name with --organization")
    report = build_report(db, (run,) if run else (), None)
    shown = report.runs[0]
    results, left_out = [], []
    for section, row, value in summaries(report):
        scale = row.scale
        if scale is None or scale.ideal not in (scale.low, scale.high):
            left_out.append(f"{section.profiler}/{row.metric}")
        else:
            results.append(_result(section, row, value, scale, shown))
    if not results:
        raise LlmprofError(
            f"run {shown.run_id} has no metric for which higher or lower is better, and the schema "
            "of Every Eval Ever accepts no others"
        )
    began = str(int(datetime.fromisoformat(shown.started_at).timestamp()))
    record = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"llmprof/{printable(shown.model)}/{shown.run_id}",
        "evaluation_timestamp": began,
        "retrieved_timestamp": str(int(time.time())),
        "source_metadata": {
            "source_name": "llmprof",
            "source_type": "evaluation_run",
            "source_organization_name": printable(organization),
            "evaluator_relationship": relationship,
        },
        "eval_library": {"name": "llmprof", "version": shown.versions.get("llmprof", "unknown")},
        "model_info": _model(shown),
        "evaluation_results": results,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return EvaluationRecord(text, len(results), tuple(dict.fromkeys(left_out)))


def _model(run: ReportedRun) -> dict[str, Any]:
    identity = run.config.get("identity", {})
    own = any(name in identity for name in _OWN_WEIGHTS)
    name = printable(run.model)
    return {
        "name": name,
        "id": name,
        "additional_details": {
            "deployment_type": "self_deployed" if own else "unknown",
            # A revision is of the Hub, where others find the weights too.
            "model_availability": "open_weights" if identity.get("revision") else "unknown",
            "backend": run.backend,
            **_texts(identity),
        },
    }


def _result(
    section: Section, row: Row, value: Value, scale: Scale, run: ReportedRun
) -> dict[str, Any]:
    uncertainty: dict[str, Any] = {"num_samples": value.n}
    if value.ci_low is not None and value.ci_high is not None:
        uncertainty["confidence_interval"] = {
            "lower": value.ci_low,
            "upper": value.ci_high,
            "confidence_level": CONFIDENCE,
            **({"method": value.interval_method} if value.interval_method else {}),
        }
    made_by = {"protocol": section.protocol_version, "scorer": section.scorer}
    options = run.source(section.profiler, section.dataset).config.get("options", {})
    return {
        "evaluation_result_id": f"{section.profiler}/{section.dataset}/{row.metric}/{row.group}",
        "evaluation_name": f"{section.profiler}.{section.dataset}",
        "source_data": _source(section),
        "metric_config": {
            "metric_id": f"{section.profiler}.{section.presentation.stem(row.metric)}",
            "metric_name": printable(row.name),
            "lower_is_better": scale.ideal == scale.low,
            "score_type": "continuous",
            "min_score": _bound(scale.low),
            "max_score": _bound(scale.high),
            "additional_details": _texts(made_by),
        },
        "score_details": {"score": value.value, "uncertainty": uncertainty},
        "generation_config": {"additional_details": _texts({"seed": run.seed, **options})},
    }


def _source(section: Section) -> dict[str, Any]:
    found = hub_data_set(section)
    facts = {
        "sha256": section.sha256,
        "source": section.source,
        "demonstration": section.demonstration,
        "items": section.size or "all",
    }
    if found is None:
        source: dict[str, Any] = {"source_type": "other"}
    else:
        source = {"source_type": "hf_dataset", "hf_repo": found[0]}
        facts["revision"] = found[1]
    return {"dataset_name": section.dataset, **source, "additional_details": _texts(facts)}


def _bound(bound: float) -> float | str:
    """A bound as the schema has it: JSON has no infinity.

    >>> _bound(0.0), _bound(math.inf), _bound(-math.inf)
    (0.0, 'Infinity', '-Infinity')
    """
    if math.isfinite(bound):
        return bound
    return "Infinity" if bound > 0 else "-Infinity"


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as strings, which the schema requires for details; without those that are None."""
    return {
        name: printable(value) if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
        if value is not None
    }
