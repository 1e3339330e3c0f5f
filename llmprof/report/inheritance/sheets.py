"""The tables of a report on inheritance, as texts; every format shows the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmprof.metrics.inheritance import Effect
from llmprof.report.inheritance.findings import Finding, Inheritance, verdict
from llmprof.report.text import interval, number, signed, with_interval

NOTHING = "-"
# Number of side effects on the terminal and in LaTeX; the page and the database have all.
MOST_SIDE_EFFECTS = 20


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A text and, in a heat map, its colour from -1 to 1, and whether it is significant."""

    text: str
    heat: float | None = None
    is_sure: bool = False


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with its heading and note."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[HeatCell]]
    note: str = ""

    @property
    def is_heat_map(self) -> bool:
        return any(cell.heat is not None for row in self.rows for cell in row)


def sheets_of(found: Inheritance, *, every_metric: bool = False) -> list[Sheet]:
    """All tables in their order; `every_metric` in the heat map, not only those that matter."""
    made = [
        _setting(found),
        _targets(found),
        _controls(found),
        _heat_map(found, every_metric=every_metric),
        _side_effects(found),
        _curve(found),
    ]
    return [sheet for sheet in made if sheet.rows]


def with_ends(estimate: Effect | None, *, unit: str = "", sign: bool = True) -> str:
    """A number with its interval, in `unit`."""
    if estimate is None or estimate.value is None:
        return NOTHING
    shown = signed(estimate.value) if sign else number(estimate.value)
    return with_interval(f"{shown}{unit}", interval(estimate.low, estimate.high))


def _texts(*cells: object) -> list[HeatCell]:
    return [HeatCell(str(each)) for each in cells]


def _setting(found: Inheritance) -> Sheet:
    recipe = found.recipe
    how = f"{recipe['objective']}, {recipe['method']}, learning rate {recipe['learning_rate']:g}"
    epochs = f"{recipe['epochs']} epoch{'s' if recipe['epochs'] != 1 else ''}"
    rows = [
        _texts("student", found.student),
        _texts("teachers", ", ".join(found.teachers)),
        _texts("prompts", f"{found.n_prompts} of {found.prompts}, {found.k} completions of each"),
        _texts("training", f"{how}, {epochs}, seeds {', '.join(map(str, found.seeds))}"),
        *(_texts(f"data {arm.name}", f"{arm.examples} examples") for arm in found.arms),
    ]
    return Sheet("The experiment", ["", ""], rows)


def _targets(found: Inheritance) -> Sheet:
    rows = [
        _texts(
            each.arm,
            f"{each.name} ({each.profiler} on {each.dataset})",
            number(each.before),
            with_ends(each.of_data),
            with_ends(each.change),
            with_ends(each.percent, unit="%"),
            _share(each),
            each.change.n,
        )
        for each in found.targets
    ]
    header = [
        "data", "metric", "before", "data less student before", "students less before",
        "change in %", "inherited share", "n",
    ]  # fmt: skip
    return Sheet(
        "What students took over",
        header,
        rows,
        "Intervals are 95%, over items and training seeds. The inherited share is the students' "
        "change divided by the data's difference; it is defined if the interval of that difference "
        "excludes zero.",
    )


def _share(finding: Finding) -> str:
    if finding.share.value is None:
        return f"{NOTHING} ({finding.share.reason})"
    return with_ends(finding.share, sign=False)


def _controls(found: Inheritance) -> Sheet:
    rows = [
        _texts(
            each.arm,
            each.name,
            with_ends(each.against_random),
            f"{each.against_random.p:.2g}" if each.against_random.p is not None else NOTHING,
            verdict(each),
        )
        for each in found.targets
        if each.against_random is not None
    ]
    return Sheet(
        "Target against random choice",
        ["data", "metric", "students less those of random data", "p", ""],
        rows,
        "Paired by item and seed: both were trained on the same prompts, and differ only in the "
        "selection.",
    )


def _heat_map(found: Inheritance, *, every_metric: bool) -> Sheet:
    by_key: dict[tuple[str, str, str, str], dict[str, Finding]] = {}
    for each in found.findings:
        by_key.setdefault(each.key, {})[each.arm] = each
    arms = [arm.name for arm in found.arms]
    wanted = {each.key for each in found.targets}
    rows = []
    for key, of_arm in by_key.items():
        sure = any(each.change.excludes_zero for each in of_arm.values())
        if every_metric or key in wanted or sure:
            first = next(iter(of_arm.values()))
            cells = [_heat(of_arm.get(arm)) for arm in arms]
            rows.append((key not in wanted, [HeatCell(f"{first.name} ({first.profiler})"), *cells]))
    rows.sort(key=lambda row: row[0])
    shown = [row for _, row in rows]
    limit = len(shown) if every_metric else len(wanted) + MOST_SIDE_EFFECTS
    return Sheet(
        f"Change of {found.student} in % by what it was trained on",
        ["metric", *arms],
        shown[:limit],
        "* the interval over items and seeds excludes zero; not corrected for the number of cells."
        + (f" {len(shown) - limit} more metrics changed." if len(shown) > limit else ""),
    )


def _heat(finding: Finding | None) -> HeatCell:
    if finding is None or finding.percent.value is None:
        return HeatCell(NOTHING)
    value, sure = finding.percent.value, finding.change.excludes_zero
    # Half as much again, or a third less, is the full colour.
    heat = max(-1.0, min(1.0, value / 50))
    return HeatCell(f"{value:+.1f}{' *' if sure else ''}", heat, sure)


def _side_effects(found: Inheritance) -> Sheet:
    effects = found.side_effects
    rows = [
        _texts(
            each.arm,
            f"{each.name} ({each.profiler})",
            number(each.before),
            with_ends(each.against_random),
            f"{each.against_random.p_corrected:.2g}"
            if each.against_random and each.against_random.p_corrected is not None
            else NOTHING,
        )
        for each in effects[:MOST_SIDE_EFFECTS]
    ]
    title = f"Side effects: {len(effects)} of {found.n_tests} tests"
    if found.n_tests and not rows:
        rows = [_texts("none", *[""] * 4)]
    return Sheet(
        title,
        ["data", "metric", "before", "students less those of random data", "corrected p"],
        rows,
        "Over all metrics except each arm's own target; p-values are corrected for the number of "
        "tests by Holm's method.",
    )


def _curve(found: Inheritance) -> Sheet:
    by_arm: dict[str, dict[int, str]] = {}
    for point in found.curve:
        by_arm.setdefault(point.arm, {})[point.k] = with_ends(point.kept, sign=False)
    ks = sorted({point.k for point in found.curve})
    rows = [_texts(arm, *(of_k.get(k, NOTHING) for k in ks)) for arm, of_k in by_arm.items()]
    return Sheet(
        "Mean of the target in the data, by completions per prompt",
        ["data", *(f"best of {k}" for k in ks)],
        rows,
        "Computed from the existing completions: no student was trained on the smaller selections.",
    )


def remarks_of(found: Inheritance) -> Iterator[str]:
    """Sentences on what was found, one for each target."""
    for each in found.targets:
        against = each.against_random
        if against is None:
            yield f"{each.arm}: there is no control; train one with --arms target,random."
            continue
        yield (
            f"{each.arm}: {verdict(each)}; students less those of random data "
            f"{with_ends(against)} in {each.name} (n {against.n}, {against.seeds} seeds)."
        )
