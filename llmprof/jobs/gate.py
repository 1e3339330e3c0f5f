"""The `gate` command: decide whether the changes between two runs are within their limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from llmprof.errors import ConfigError, GateError, UnknownNameError, UsageError
from llmprof.metrics.gates import Decision, DifferenceAt, Gate, GateVerdict, decide, parse_gate
from llmprof.report.build import make_sections
from llmprof.report.changes import difference_finder
from llmprof.report.contents import Omission, ReportedRun, Row, Section
from llmprof.report.runs import ChosenRuns, choose_runs
from llmprof.results import COMPLETE, Store
from llmprof.toml_files import read_toml

GATE_FAILED, GATE_UNDECIDED = 3, 4


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


# Keys of a file of gates, with a check and a description of their values.
_KEYS: dict[str, Callable[[object], bool]] = {
    "before": _is_text,
    "after": _is_text,
    "fail-if": _are_texts,
    "strict": lambda value: isinstance(value, bool),
}
_KINDS = {
    "before": "a text",
    "after": "a text",
    "fail-if": "a list of texts",
    "strict": "true or false",
}


@dataclass(frozen=True, slots=True)
class StatedGates:
    """Gates and the runs to compare, as a user gives them; None if not given."""

    before: str | None = None
    after: str | None = None
    fail_if: tuple[str, ...] = ()
    strict: bool = False


@dataclass(frozen=True, slots=True)
class GateResults:
    """The decisions on all gates. With `strict`, an undecided one counts as failed.

    `omissions` are runs of the same models that the two took the place of.
    """

    before: ReportedRun
    after: ReportedRun
    decisions: Sequence[Decision]
    strict: bool
    omissions: Sequence[Omission] = ()

    @property
    def passed(self) -> bool:
        """Whether all gates have passed."""
        return self.exit_code == 0

    def has_failed(self, decision: Decision) -> bool:
        """Whether this decision fails the command."""
        strict = self.strict and decision.verdict is GateVerdict.UNDECIDED
        return strict or decision.verdict is GateVerdict.FAILED

    @property
    def exit_code(self) -> int:
        """0 if all passed, 3 if any failed, otherwise 4 if any is undecided."""
        if any(map(self.has_failed, self.decisions)):
            return GATE_FAILED
        undecided = any(each.verdict is GateVerdict.UNDECIDED for each in self.decisions)
        return GATE_UNDECIDED if undecided else 0


def read_gate_file(file: Path) -> StatedGates:
    """Read a TOML file with `fail-if`, a list of gates, and optionally `before`, `after` and
    `strict`.

    Raises:
        ConfigError: it cannot be read, or contains something else.
    """
    try:
        values = read_toml(file)
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"cannot read gates from {file}: {what}") from error
    for name, value in values.items():
        if name not in _KEYS:
            raise ConfigError(f"{file}: unknown key {name!r}; it may have {', '.join(_KEYS)}")
        if not _KEYS[name](value):
            raise ConfigError(f"{file}: {name} is {value!r}; it must be {_KINDS[name]}")
    return StatedGates(
        values.get("before"),
        values.get("after"),
        tuple(values.get("fail-if", ())),
        values.get("strict", False),
    )


def check_gates(db: Path, stated: StatedGates, file: Path | None = None) -> GateResults:
    """Decide on each gate from the change between two runs.

    What is `stated` takes precedence over the `file`; gates are those of both. `before` and
    `after` are names of runs (see `choose_runs`), or models: the latest complete run of each.

    Raises:
        ConfigError: the file cannot be read, or contains something else.
        UsageError: a gate is malformed or names something that neither run has, or there is no
            gate, or no run.
        UnknownNameError: a name matches no run, or several.
        GateError: a run is not complete, or the two are not comparable.
        StoreError: the database cannot be read.
    """
    of_file = StatedGates() if file is None else read_gate_file(file)
    before, after = stated.before or of_file.before, stated.after or of_file.after
    if before is None or after is None:
        where = "" if file is None else f", or state before and after in {file}"
        raise UsageError(f"give two runs or models to compare{where}")
    fail_if = (*of_file.fail_if, *stated.fail_if)
    strict = stated.strict or of_file.strict
    gates = [parse_gate(each) for each in dict.fromkeys(fail_if)]
    if not gates:
        raise UsageError(
            "there is no gate; state one with fail-if, such as 'crows_pairs/stereotype_score > +2'"
        )
    with Store(db, read_only=True) as store:
        chosen = _two_runs(store, before, after)
        old, new = chosen.runs
        sections, omissions = make_sections(store, (old, new))
        found = [
            (gate, _difference_at(store, old, new, gate, sections, omissions)) for gate in gates
        ]
        return GateResults(old, new, decide(found), strict, chosen.omissions)


def _two_runs(store: Store, before: str, after: str) -> ChosenRuns:
    found = choose_runs(store, (after,), before)
    chosen = found.runs
    if len(chosen) == 1:
        raise UsageError(f"{before} and {after} are the same run; name two")
    if len(chosen) > 2:
        ids = ", ".join(run.run_id for run in chosen[1:])
        raise UnknownNameError(f"{after}: {len(chosen) - 1} runs match; name one by its id: {ids}")
    for run in chosen:
        if run.status != COMPLETE:
            raise GateError(
                f"run {run.run_id} of {run.model} is {run.status}, not complete; run the same "
                "command to resume"
            )
    return found


def _difference_at(
    store: Store,
    before: ReportedRun,
    after: ReportedRun,
    gate: Gate,
    sections: Sequence[Section],
    omissions: Sequence[Omission],
) -> DifferenceAt:
    """The change of the gate's metric, for any confidence."""
    section = _section_of(gate, sections)
    row = _row_of(gate, section)
    for run, value in zip((before, after), row.values, strict=True):
        if value is None:
            place = f"{section.profiler} on {section.dataset} of {run.label}"
            why = next((each.why for each in omissions if each.what == place), "it is not there")
            raise GateError(f"{gate.text}: {place} cannot be compared: {why}")
        if value.value is None:
            reason = f"not defined in {run.label}: {value.reason}"
            return lambda confidence: reason
    find = difference_finder(store, before, after, section)
    return partial(find, row.metric, row.group)


def _section_of(gate: Gate, sections: Sequence[Section]) -> Section:
    of_profile = [each for each in sections if each.profiler == gate.profiler]
    if not of_profile:
        names = dict.fromkeys(each.profiler for each in sections)
        raise UnknownNameError(
            f"{gate.text}: the runs have no results of {gate.profiler}; they have: "
            f"{', '.join(names) or 'none'}"
        )
    found = [each for each in of_profile if gate.dataset in (None, each.dataset)]
    if len(found) != 1:
        names = dict.fromkeys(each.dataset for each in of_profile)
        raise UnknownNameError(
            f"{gate.text}: name a data set of {gate.profiler}, as in {gate.profiler}/"
            f"{of_profile[0].dataset}/{gate.metric}; there is: {', '.join(names)}"
        )
    return found[0]


def _row_of(gate: Gate, section: Section) -> Row:
    """The row of the metric; scorer, filter or variant may be omitted if only one matches."""
    in_group = [row for row in section.rows if row.group == gate.group]
    exact = [row for row in in_group if row.metric == gate.metric]
    stem = section.presentation.stem
    found = exact or [row for row in in_group if stem(row.metric) == gate.metric]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(row.metric for row in found)
        raise UnknownNameError(f"{gate.text}: {gate.metric} may be any of: {names}; name one")
    groups = dict.fromkeys(
        row.group for row in section.rows if gate.metric in (row.metric, stem(row.metric))
    )
    if groups:
        raise UnknownNameError(
            f"{gate.text}: {gate.metric} has no group {gate.group}; it has: {', '.join(groups)}"
        )
    names = ", ".join(dict.fromkeys(row.metric for row in section.rows))
    raise UnknownNameError(
        f"{gate.text}: {section.profiler} on {section.dataset} has no {gate.metric}; it has: "
        f"{names}"
    )
