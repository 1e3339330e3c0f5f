"""A run's results in the Hub's formats: a model card's `model-index`, or `.eval_results`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.errors import LlmprofError, UnknownNameError
from llmprof.report.build import build_report
from llmprof.report.contents import Report, Row, Section, Value
from llmprof.report.labels import short_name
from llmprof.report.text import interval
from llmprof.safe_text import printable

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

MODEL_INDEX, EVAL_RESULTS = HUB_FORMATS = ("model-index", "eval-results")
# A Hub data set in the source of results.
_HUB_ID = re.compile(r"hub:([\w.-]+/[\w.-]+)@(\w+)(?:[/ ].*)?")


def hub_results(db: Path, run: str, format: str) -> str:
    """The overall metrics of a run, as YAML.

    `model-index` is for the beginning of a model card; `eval-results` for a file in a model's
    folder `.eval_results`, and only has results on data sets of the Hub.

    Raises:
        UnknownNameError: there is no such format or run.
        LlmprofError: the run has no results for this format.
    """
    import yaml

    if format not in HUB_FORMATS:
        choices = ", ".join(HUB_FORMATS)
        raise UnknownNameError(f"unknown format {format!r}; choose one of: {choices}")
    report = build_report(db, (run,) if run else (), None)
    content = _model_index(report) if format == MODEL_INDEX else _entries(report)
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def hub_data_set(section: Section) -> tuple[str, str] | None:
    """The data set of the Hub that the results are on, and its revision, if it is one."""
    found = _HUB_ID.fullmatch(section.source)
    return None if found is None else (found[1], found[2])


def summaries(report: Report) -> Iterator[tuple[Section, Row, Value]]:
    """The values of a report's only run that stand for whole data sets."""
    for section in report.sections:
        for row in section.rows:
            value = row.values[0]
            if section.is_summary(row) and value is not None and value.value is not None:
                yield section, row, value


def eval_results(db: Path, run: str) -> list[EvalResult]:
    """The metrics of a run that stand for whole data sets, as a model card holds them.

    Raises:
        UnknownNameError: there is no such run.
        LlmprofError: the run has no results.
    """
    return _card_results(build_report(db, (run,) if run else (), None))


def _card_results(report: Report) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=section.dataset,
            dataset_name=printable(section.title),
            dataset_args={"sha256": section.sha256},
            metric_type=row.metric,
            metric_name=row.name,
            metric_value=value.value,
            metric_args={"ci_low": value.ci_low, "ci_high": value.ci_high, "n": value.n},
        )
        for section, row, value in summaries(report)
    ]
    if not results:
        raise LlmprofError(f"run {report.runs[0].run_id} has no result to export")
    return results


def _model_index(report: Report) -> dict[str, Any]:
    from huggingface_hub.repocard_data import eval_results_to_model_index

    name = printable(short_name(report.runs[0].model))
    return {"model-index": eval_results_to_model_index(name, _card_results(report))}


def _entries(report: Report) -> list[dict[str, Any]]:
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = []
    for section, row, value in summaries(report):
        found = hub_data_set(section)
        if found is None:
            continue
        ends = interval(value.ci_low, value.ci_high)
        notes = [f"{row.name} by llmprof, {section.protocol_version}"]
        notes += [f"95% interval {ends}"] if ends else []
        entries.append(
            EvalResultEntry(
                dataset_id=found[0],
                dataset_revision=found[1],
                task_id=f"{section.dataset}/{row.metric}",
                value=value.value,
                date=report.runs[0].started_at,
                notes=f"{'; '.join(notes)}; n = {value.n}",
            )
        )
    if not entries:
        raise LlmprofError(
            f"run {report.runs[0].run_id} has no result on a data set of the Hub, and "
            ".eval_results accepts no others; profile one of them with --data hub, or use "
            "--format model-index"
        )
    return eval_result_entries_to_yaml(entries)
