"""A report as JSON, CSV or Parquet, for programs."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from llmprof.metrics.effect_sizes import EffectSize
from llmprof.profilers import Presentation, Scale
from llmprof.report.contents import Change, Report, Row, Section
from llmprof.safe_text import printable_json, spreadsheet_cell


def to_json(report: Report) -> str:
    """An object with the fields of `llmprof.report.contents.Report`.

    Of a section's presentation it has the `title`, `about` and `topic`; of a metric's scale the
    `direction` too, and null for a bound that is infinite.
    """
    content = {
        "runs": [asdict(run) for run in report.runs],
        "sections": [_section_object(section) for section in report.sections],
        "baseline": report.baseline,
        "omissions": [asdict(omission) for omission in report.omissions],
        "remarks": list(report.remarks),
        "series": report.series,
        "steps": list(report.steps),
        "headlines": list(report.headlines),
    }
    return printable_json(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _section_object(section: Section) -> dict[str, Any]:
    shown = section.presentation
    return {
        **asdict(replace(section, rows=[], presentation=Presentation())),
        "rows": [{**asdict(row), "scale": _scale_object(row.scale)} for row in section.rows],
        "presentation": {"title": shown.title, "about": shown.about, "topic": shown.topic},
    }


def _scale_object(scale: Scale | None) -> dict[str, Any] | None:
    if scale is None:
        return None
    finite = {
        name: value if isinstance(value, str) or math.isfinite(value) else None
        for name, value in asdict(scale).items()
    }
    return {"direction": scale.direction, **finite}


def to_csv(report: Report) -> str:
    """One line per metric, group and run; an undefined value is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(COLUMNS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: spreadsheet_cell(value) for name, value in record.items()}
        for record in records_of(report)
    )
    return text.getvalue()


def to_parquet(report: Report) -> bytes:
    """One row per metric, group and run; the file's metadata holds the omissions, as JSON."""
    import pyarrow
    from pyarrow import parquet

    types = {
        str: pyarrow.string(),
        float: pyarrow.float64(),
        int: pyarrow.int64(),
        bool: pyarrow.bool_(),
    }
    omissions = json.dumps([asdict(omission) for omission in report.omissions])
    schema = pyarrow.schema(
        [(name, types[kind]) for name, kind in COLUMNS.items()], metadata={"omissions": omissions}
    )
    content = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(list(records_of(report)), schema), content)
    return content.getvalue()


# Names and types of the columns, in order; every column but the first may be NULL.
COLUMNS: dict[str, type] = {
    "run_id": str,
    "label": str,
    "model": str,
    "backend": str,
    "profiler": str,
    "protocol_version": str,
    "dataset": str,
    "sha256": str,
    "demonstration": bool,
    "scorer": str,
    "metric": str,
    "group": str,
    "metric_label": str,
    "direction": str,
    "value": float,
    "ci_low": float,
    "ci_high": float,
    "n": int,
    "n_total": int,
    "reason": str,
    "unit": str,
    "interval_method": str,
    "spread": float,
    "seeds": int,
    "baseline": str,
    "change": float,
    "change_percent": float,
    "change_ci_low": float,
    "change_ci_high": float,
    "change_n": int,
    "change_excludes_zero": bool,
    "change_p_value": float,
    "change_adjusted_p_value": float,
    "effect_size": str,
    "effect": float,
    "effect_ci_low": float,
    "effect_ci_high": float,
    "change_reason": str,
}


def records_of(report: Report) -> Iterator[dict[str, Any]]:
    """Every value of the report, with the keys of `COLUMNS`; `baseline` is that run's label."""
    baseline = None if report.baseline is None else report.runs[report.baseline].label
    for section in report.sections:
        for row in section.rows:
            for place in range(len(report.runs)):
                if row.values[place] is not None:
                    found = {**_where(report, section, row, place), "baseline": baseline}
                    yield {column: found.get(column) for column in COLUMNS}


def _where(report: Report, section: Section, row: Row, place: int) -> dict[str, Any]:
    run, value = report.runs[place], row.values[place]
    assert value is not None
    return {
        "run_id": run.source(section.profiler, section.dataset).run_id,
        "label": run.label,
        "model": run.model,
        "backend": run.backend,
        "profiler": section.profiler,
        "protocol_version": section.protocol_version,
        "dataset": section.dataset,
        "sha256": section.sha256,
        "demonstration": section.demonstration,
        "scorer": section.scorer,
        "metric": row.metric,
        "group": row.group,
        "metric_label": row.label,
        "direction": None if row.scale is None else row.scale.direction,
        "value": value.value,
        "ci_low": value.ci_low,
        "ci_high": value.ci_high,
        "n": value.n,
        "n_total": value.n_total,
        "reason": value.reason,
        "unit": value.unit,
        "interval_method": value.interval_method,
        "spread": value.spread,
        "seeds": value.seeds,
        **_change(row.changes[place]),
    }


def _change(change: Change | None) -> dict[str, Any]:
    if change is None:
        return {}
    return {
        "change": change.absolute,
        "change_percent": change.percent,
        "change_ci_low": change.ci_low,
        "change_ci_high": change.ci_high,
        "change_n": change.n,
        "change_excludes_zero": change.excludes_zero,
        "change_p_value": change.p_value,
        "change_adjusted_p_value": change.adjusted_p_value,
        **_effect(change.effect),
        "change_reason": change.reason,
    }


def _effect(effect: EffectSize | None) -> dict[str, Any]:
    if effect is None:
        return {}
    return {
        "effect_size": effect.name,
        "effect": effect.value,
        "effect_ci_low": effect.ci_low,
        "effect_ci_high": effect.ci_high,
    }
