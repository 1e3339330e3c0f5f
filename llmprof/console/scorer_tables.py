"""What `llmprof agreement` and `llmprof bridge fit` print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.console.tables import check_format, print_rows, print_table

if TYPE_CHECKING:
    from llmprof.jobs.agreement import Agreement
    from llmprof.metrics.bridge_estimates import Bridge
    from llmprof.metrics.samples import Metric

_COLUMNS = ["reference", "scorer", "attribute", "metric", "value", "ci_low", "ci_high", "n"]


def print_agreement(found: Sequence[Agreement], format: str = "table") -> None:
    """Print each reference's metrics, as a table of its own, or all as `csv` or `json`."""
    check_format(format)
    if format == "table":
        for agreement in found:
            _print_one(agreement)
        return
    rows = [
        [each.reference.title, each.scorer, *_cells(metric), metric.reason]
        for each in found
        for metric in each.metrics
    ]
    print_rows([*_COLUMNS, "reason"], rows, format)


def _print_one(agreement: Agreement) -> None:
    reference = agreement.reference
    files = ", ".join(f"{name}, SHA-256 {sha256[:12]}" for name, sha256 in reference.files)
    rows = [[*_labels(metric), _value(metric), metric.n] for metric in agreement.metrics]
    print_table(
        ["attribute", "metric", "value [95% interval]", "n"],
        rows,
        title=f"{agreement.scorer} against {reference.name} on {reference.title} ({files})",
        numbers=["n"],
        whole=["metric", "value [95% interval]"],
    )


def _labels(metric: Metric) -> list[str]:
    return [metric.group, metric.name.replace("_", " ")]


def _cells(metric: Metric) -> list[Any]:
    return [metric.group, metric.name, metric.value, metric.ci_low, metric.ci_high, metric.n]


def _value(metric: Metric) -> str:
    if metric.value is None:
        return f"not defined: {metric.reason}"
    if metric.ci_low is None or metric.ci_high is None:
        return f"{metric.value:.3f}"
    return f"{metric.value:.3f} [{metric.ci_low:.3f}, {metric.ci_high:.3f}]"


def print_bridge(bridge: Bridge, output: Path) -> None:
    """Print what a bridge was fitted on and what it holds out."""
    rows = []
    for name, fitted in bridge.attributes.items():
        held_out = bridge.content["attributes"][name]["held_out"] or {}
        within = f"{held_out['within']} of {held_out['splits']}" if held_out else None
        without = held_out.get("within_without_residuals")
        rows.append([name, fitted.n, f"{fitted.low:.2f} to {fitted.high:.2f}", within, without])
    print_table(
        ["attribute", "n", "reference's scores", "held-out EMT in its interval", "without spread"],
        rows,
        title=f"{bridge.target} from {bridge.scorer} ({bridge.model}), in {output}",
        numbers=["n"],
    )
