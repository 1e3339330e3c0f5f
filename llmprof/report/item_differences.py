"""Two runs item by item: which prompts or questions changed most, and how their texts differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from llmprof.errors import UnknownNameError, UsageError
from llmprof.metrics.differences import paired
from llmprof.metrics.intervals import bounds_of, defined_values, is_negligible
from llmprof.metrics.measures import Mean
from llmprof.metrics.samples import OVERALL
from llmprof.profilers import Comparable, Presentation, presentation_of
from llmprof.report.changes import stored_profile
from llmprof.report.contents import Omission, ReportedRun, Row, Section, concerning
from llmprof.report.runs import choose_two_runs
from llmprof.results import Store
from llmprof.results.reader import SampleRow, read_samples
from llmprof.results.row_types import fitting_samples

_WORD = re.compile(r"\s+|\w+|[^\w\s]")
EQUAL, REMOVED, ADDED = "equal", "removed", "added"
# For longer texts, a comparison word by word would take seconds.
_LONGEST = 4_000


@dataclass(frozen=True, slots=True)
class ItemDifference:
    """One item in two runs, with its value of a metric in each and the text that made it.

    Of several responses, the texts are of those that come first in the profile's order, such as the
    most toxic completion.
    """

    item: str
    group: str
    prompt: str
    before: float
    after: float
    response_before: str | None
    response_after: str | None

    @property
    def difference(self) -> float:
        """The value in the second run minus that in the first."""
        return self.after - self.before

    @property
    def marked(self) -> list[tuple[str, str]]:
        """Parts of both responses in order, each `equal`, `removed` or `added`."""
        return marked(self.response_before or "", self.response_after or "")


@dataclass(frozen=True, slots=True)
class ItemDifferences:
    """The items of one profile and data set that two runs share, the largest difference first.

    `shared` items have a value in both, of which `changed` differ; `items` are the first of those.
    `omissions` are runs of the same models that these took the place of.
    """

    before: ReportedRun
    after: ReportedRun
    profiler: str
    dataset: str
    metric: str
    shared: int
    changed: int
    items: Sequence[ItemDifference]
    presentation: Presentation
    omissions: Sequence[Omission] = ()


def compare_items(
    db: Path,
    before: str,
    after: str,
    *,
    profilers: Sequence[str] = (),
    metric: str | None = None,
    top: int = 20,
) -> list[ItemDifferences]:
    """The items that changed most between two runs, for each profile and data set of both.

    `before` and `after` are names as `llmprof report` takes them. `metric` is a mean over items; by
    default the first of the profile that has a direction.

    Raises:
        StoreError: the database cannot be read.
        UnknownNameError: a name matches no run or several, or the runs share no such profile.
        UsageError: the metric is not a mean over items.
    """
    from llmprof.report.build import make_sections

    with Store(db, read_only=True) as store:
        chosen = choose_two_runs(store, before, after)
        runs = chosen.runs
        sections, omissions = make_sections(store, runs)
        both = [section for section in sections if section.has(0) and section.has(1)]
        wanted = [each for each in both if not profilers or each.profiler in profilers]
        if not wanted:
            names = ", ".join(dict.fromkeys(each.profiler for each in both)) or "none"
            raise UnknownNameError(
                f"the runs share no profile {', '.join(profilers) or 'at all'}; shared and "
                f"comparable: {names}"
            )
        found = [section_items(store, runs, section, metric, top) for section in wanted]
    left_out = (*chosen.omissions, *omissions)
    known = [
        replace(each, omissions=concerning(left_out, each.profiler, each.dataset))
        for each in found
        if each is not None
    ]
    if not known:
        raise UsageError(
            f"{metric or 'no metric'} of {', '.join(each.profiler for each in wanted)} is not a "
            "mean over items that both runs have; name another with --metric"
        )
    return known


def section_items(
    store: Store,
    runs: Sequence[ReportedRun],
    section: Section,
    metric: str | None = None,
    top: int = 20,
    places: tuple[int, int] = (0, 1),
) -> ItemDifferences | None:
    """The items of one section; None if no such metric is a mean over items of both runs."""
    found = []
    for place in places:
        run = runs[place].source(section.profiler, section.dataset)
        samples = read_samples(
            store, run.run_id, profiler=section.profiler, dataset=section.dataset
        )
        found.append((samples, _means(run, section, samples)))
    (old_samples, old), (new_samples, new) = found
    name = _chosen(section, [each for each in old if each in new], metric)
    if name is None:
        return None
    first, second = old[name], new[name]
    pairs = [
        (unit, before * first.scale, after * second.scale)
        for unit, (before, after) in paired(first.units, first.values, second.units, second.values)
        if before is not None and after is not None
    ]
    moved = [each for each in pairs if not is_negligible(each[2] - each[1], each[1], each[2])]
    moved.sort(key=lambda each: (-abs(each[2] - each[1]), each[0]))
    texts = [_first_in_order(samples, section) for samples in (old_samples, new_samples)]
    return ItemDifferences(
        before=runs[places[0]],
        after=runs[places[1]],
        profiler=section.profiler,
        dataset=section.dataset,
        metric=name,
        shared=len(pairs),
        changed=len(moved),
        items=[_item(*each, texts[0].get(each[0]), texts[1].get(each[0])) for each in moved[:top]],
        presentation=section.presentation,
    )


def _means(run: ReportedRun, section: Section, samples: Sequence[SampleRow]) -> dict[str, Mean]:
    """The means over items, without groups, by their names."""
    profiler = stored_profile(run, section.profiler)
    if isinstance(profiler, Comparable):
        with fitting_samples(run.run_id, section.profiler):
            return {
                each.name: each
                for each in profiler.measures(samples)
                if isinstance(each, Mean) and each.group == OVERALL and each.covered
            }
    units = [sample.sample_id for sample in samples]
    found = {}
    for row in section.rows:
        values = [sample.scores.get(row.metric) for sample in samples]
        if row.group == OVERALL and defined_values(values):
            bounds = bounds_of(defined_values(values))
            found[row.metric] = Mean(row.metric, units, values, bounds=bounds)
    return found


def _chosen(section: Section, names: Sequence[str], wanted: str | None) -> str | None:
    if wanted is not None:
        stem = section.presentation.stem
        return next((each for each in names if wanted in (each, stem(each))), None)
    rows: Mapping[str, Row] = {
        row.metric: row for row in section.rows if row.group == OVERALL and row.metric in names
    }
    directed = [name for name, row in rows.items() if row.scale is not None]
    highlighted = [name for name in rows if name in section.presentation.highlights]
    return next(iter([*directed, *highlighted, *rows]), None)


def _first_in_order(samples: Sequence[SampleRow], section: Section) -> dict[str, SampleRow]:
    """The sample with the highest rank of each item, or the first of several."""
    rank = section.presentation.samples.rank
    found: dict[str, tuple[float, SampleRow]] = {}
    for sample in samples:
        try:
            value = rank(sample.scores)
        except (KeyError, TypeError, ArithmeticError):
            value = None
        number = float("-inf") if value is None else value
        if sample.sample_id not in found or number > found[sample.sample_id][0]:
            found[sample.sample_id] = number, sample
    return {item: sample for item, (_, sample) in found.items()}


def _item(
    unit: str, before: float, after: float, old: SampleRow | None, new: SampleRow | None
) -> ItemDifference:
    either = old or new
    return ItemDifference(
        item=unit,
        group=OVERALL if either is None else either.group,
        prompt="" if either is None else either.prompt,
        before=before,
        after=after,
        response_before=None if old is None else _readable(old),
        response_after=None if new is None else _readable(new),
    )


def _readable(sample: SampleRow) -> str | None:
    view = presentation_of(sample.profiler).samples
    try:
        return None if sample.response is None else view.text(sample.response)
    except (ValueError, KeyError, TypeError, AttributeError):
        return sample.response


def marked(before: str, after: str) -> list[tuple[str, str]]:
    """Parts of two texts in order, word by word: (kind, text).

    >>> marked("a small cat", "a big cat")
    [('equal', 'a '), ('removed', 'small'), ('added', 'big'), ('equal', ' cat')]
    """
    old, new = (_WORD.findall(text[:_LONGEST]) for text in (before, after))
    parts: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == EQUAL:
            parts.append((EQUAL, "".join(old[a:b])))
            continue
        for name, words in ((REMOVED, old[a:b]), (ADDED, new[c:d])):
            if words:
                parts.append((name, "".join(words)))
    return parts
