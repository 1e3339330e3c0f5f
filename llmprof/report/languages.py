"""How one model's results differ between languages, over the items that are the same in both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from llmprof.metrics.differences import Difference
from llmprof.metrics.measures import Measure, difference
from llmprof.metrics.samples import OVERALL
from llmprof.profilers import Comparable, Translations
from llmprof.report.changes import stored_profile
from llmprof.report.contents import ReportedRun, Section
from llmprof.report.text import number
from llmprof.results import Store
from llmprof.results.reader import SampleRow, read_samples


def language_comparisons(
    store: Store, runs: Sequence[ReportedRun], sections: Sequence[Section]
) -> list[str]:
    """One sentence for each two languages that a model has results in, on parallel data.

    Differences are paired: an item counts where both data sets have it, under one id and with equal
    scores of the kind that say which item it is. Metrics without a direction are left out.
    """
    return [
        sentence
        for first, second in combinations(sections, 2)
        if (data := _translations(first, second)) is not None
        for before in runs
        for after in runs
        if before.model == after.model and before.backend == after.backend
        for sentence in _told(store, (before, first), (after, second), data)
    ]


def _translations(first: Section, second: Section) -> Translations | None:
    """The data set of which both sections are versions; None where they are not."""
    if (first.profiler, first.protocol_version) != (second.profiler, second.protocol_version):
        return None
    for each in first.presentation.translations:
        if {first.dataset, second.dataset} <= each.languages.keys():
            return each
    return None


def _told(
    store: Store,
    one: tuple[ReportedRun, Section],
    other: tuple[ReportedRun, Section],
    data: Translations,
) -> Iterator[str]:
    found = [_samples(store, run, section) for run, section in (one, other)]
    if not all(found):
        return
    shared = {
        name
        for name in found[0].keys() & found[1].keys()
        if _same(found[0][name], found[1][name], data)
    }
    measures = [
        _measures(*pair, [sample for name in sorted(shared) for sample in samples[name]])
        for pair, samples in zip((one, other), found, strict=True)
    ]
    presentation = one[1].presentation
    said = []
    for name, before in measures[0].items():
        after = measures[1].get(name)
        changed = None if after is None else difference(before, after)
        if isinstance(changed, Difference) and changed.value is not None:
            ends = f" [{number(changed.ci_low)}, {number(changed.ci_high)}]"
            interval = ends if changed.ci_low is not None else " (no interval)"
            said.append(f"{presentation.label(name)} {changed.value:+.4g}{interval}")
    if said:
        first, second = (data.languages[section.dataset] for _, section in (one, other))
        yield (
            f"{data.title} in {second} less in {first}, of {one[0].model}, over the {len(shared)} "
            f"items that are the same: {'; '.join(said)}"
        )


_Samples = Mapping[str, Sequence[SampleRow]]


def _samples(store: Store, run: ReportedRun, section: Section) -> _Samples:
    """The samples of a run by their items; none where the run has no such results."""
    run = run.source(section.profiler, section.dataset)
    found: dict[str, list[SampleRow]] = {}
    for sample in read_samples(
        store, run.run_id, profiler=section.profiler, dataset=section.dataset, prompts=False
    ):
        found.setdefault(sample.sample_id, []).append(sample)
    return found


def _same(first: Sequence[SampleRow], second: Sequence[SampleRow], data: Translations) -> bool:
    return len(first) == len(second) and all(
        before.scores.get(name) == after.scores.get(name)
        for before, after in zip(first, second, strict=True)
        for name in data.alike
    )


def _measures(
    run: ReportedRun, section: Section, samples: Sequence[SampleRow]
) -> Mapping[str, Measure]:
    """The overall measures of the samples that have a direction, by name."""
    profiler = stored_profile(run.source(section.profiler, section.dataset), section.profiler)
    if not samples or not isinstance(profiler, Comparable):
        return {}
    return {
        each.name: each
        for each in profiler.measures(samples)
        if each.group == OVERALL and section.presentation.scale(each.name) is not None
    }
