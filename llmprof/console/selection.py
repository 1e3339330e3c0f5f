"""What one selection did, on the terminal: the target, the models' shares, the other metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmprof.console.tables import print_table
from llmprof.metrics.differences import FEWEST_DIFFERING
from llmprof.metrics.intervals import excludes_zero
from llmprof.report.contents import Value
from llmprof.report.text import number
from llmprof.results import Store
from llmprof.results.reader import count_responses, read_metrics, read_run
from llmprof.safe_text import printable

_BEFORE, _CONTROL, _AFTER, _CHANGE = "candidates", "random", "selected", "change"
_SHOWN_CHANGES = 15

Metrics = Mapping[tuple[str, str], Value]


def print_selection(db: Path, run_id: str) -> None:
    """Print the short report of a run of `llmprof select`.

    Raises:
        StoreError: the database cannot be read.
    """
    with Store(db, read_only=True) as store:
        run = read_run(store, run_id)
        rows = read_metrics(store, run_id)
        made, failed = count_responses(store, run_id)
    metrics = {(row.metric, row.group): Value.of(row) for row in rows}
    _print_summary(metrics, run.config, run.model, made, failed)
    _print_target(metrics, run.config["target"])
    _print_shares(metrics)
    _print_changes(metrics, run.config["target"])


def _print_summary(
    metrics: Metrics, settings: Mapping[str, Any], models: str, made: int, failed: int
) -> None:
    prompts = metrics["kept_prompts", _AFTER]
    rule = f"at {settings['baseline']}" if settings["baseline"] else f"by {settings['direction']}"
    where = f" where {settings['where']}" if settings["where"] else ""
    print(
        f"kept {round((prompts.value or 0) * prompts.n)} of {prompts.n} prompts, {rule} "
        f"{settings['target']}{printable(where)}, from {made} completions of {printable(models)}"
    )
    if failed:
        print(f"failed completions: {failed}; run the same command to ask for those only")


def _print_target(metrics: Metrics, target: str) -> None:
    groups = (_BEFORE, _CONTROL, _AFTER)
    rows = [["mean", *(_with_interval(metrics.get((target, group))) for group in groups)]]
    percentiles = [name for name, group in metrics if group == _BEFORE and _percent(name, target)]
    for name in percentiles:
        values = (metrics.get((name, group)) for group in groups)
        cells = [None if value is None else number(value.value) for value in values]
        rows.append([f"{_percent(name, target)}%", *cells])
    rows.append(["n", *(_coverage(metrics.get((target, group))) for group in groups)])
    print_table([target, *groups], rows, numbers=groups)


def _percent(name: str, target: str) -> str:
    """The number in the name of one of the target's percentiles; empty for any other metric."""
    return name.removeprefix(f"{target}_p") if name.startswith(f"{target}_p") else ""


def _print_shares(metrics: Metrics) -> None:
    shares = {group: value for (name, group), value in metrics.items() if name == "model_share"}
    if len(shares) > 1:
        rows = [[label, _with_interval(share), share.n] for label, share in shares.items()]
        print_table(["model", "share of what is kept", "n"], rows, numbers=["n"])


def _print_changes(metrics: Metrics, target: str) -> None:
    """The other metrics that changed beyond their interval, the surest first."""
    others = [name for name, group in metrics if group == _CHANGE and name != target]
    changed = sorted(
        (name for name in others if _certainty(metrics[name, _CHANGE]) > 1),
        key=lambda name: -_certainty(metrics[name, _CHANGE]),
    )
    numbers = (_BEFORE, _AFTER, _CHANGE, "95% interval", "n")
    if changed:
        rows = list(_change_rows(metrics, changed[:_SHOWN_CHANGES]))
        print_table(["also changed", *numbers], rows, numbers=numbers)
    print(
        f"{len(changed)} of {len(others)} other metrics changed beyond their interval; "
        "`llmprof report` shows all"
    )


def _change_rows(metrics: Metrics, names: list[str]) -> Iterator[list[object]]:
    for name in names:
        change = metrics[name, _CHANGE]
        before, after = number(metrics[name, _BEFORE].value), number(metrics[name, _AFTER].value)
        yield [name, before, after, number(change.value), _interval(change), _coverage(change)]


def _certainty(change: Value) -> float:
    """How often the change is as large as the half of its interval that lies towards zero."""
    value, low, high = change.value, change.ci_low, change.ci_high
    if value is None or low is None or high is None or change.n < FEWEST_DIFFERING:
        return 0.0
    if not excludes_zero(low, high):
        return 0.0
    towards_zero = value - low if value > 0 else high - value
    return abs(value) / towards_zero if towards_zero > 0 else float("inf")


def _interval(value: Value) -> str | None:
    return None if value.ci_low is None else f"{number(value.ci_low)} to {number(value.ci_high)}"


def _with_interval(value: Value | None) -> str | None:
    if value is None or value.value is None:
        return None
    interval = _interval(value)
    return f"{number(value.value)} ({interval})" if interval else number(value.value)


def _coverage(value: Value | None) -> str | None:
    if value is None:
        return None
    return f"{value.n}" if value.n == value.n_total else f"{value.n}/{value.n_total}"
