"""Histograms of a score over all samples of a run, and over the selected ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmprof.profilers import ChoiceChart
from llmprof.report.contents import Report, ReportedRun, Section
from llmprof.report.html.charts.distributions import HEIGHT, axis_ends, bin_edges, outline
from llmprof.report.html.charts.plotting import Chart, Key, histogram
from llmprof.report.text import number
from llmprof.results import Store
from llmprof.results.reader import read_scores

if TYPE_CHECKING:
    from llmprof.report.html.charts.distributions import Values

_ALL = "all candidates"


def choice_charts(
    report: Report, section: Section, store: Store, wanted: ChoiceChart
) -> list[Chart]:
    """A chart for each run that has the score; colours are of what was chosen, not of runs."""
    charts = []
    for place, run in enumerate(report.runs):
        score = run.config.get(wanted.option)
        if isinstance(score, str) and section.has(place):
            parts = _parts(store, run, section, wanted, score)
            if parts:
                title = wanted.title if len(report.runs) == 1 else f"{wanted.title}, {run.label}"
                charts.append(_chart(section, parts, title, section.presentation.label(score)))
    return charts


def _chart(section: Section, parts: dict[str, Values], title: str, axis: str) -> Chart:
    import numpy as np

    edges = bin_edges(parts[_ALL], *axis_ends(parts[_ALL]))
    curves = [
        outline(place, values, edges, name) for place, (name, values) in enumerate(parts.items())
    ]
    keys = [
        Key(place, f"{name}: n = {len(values):,}, median {number(float(np.median(values)))}")
        for place, (name, values) in enumerate(parts.items())
    ]
    explanation = (
        f"{section.title}, share of completions by bin: for all candidates, and for the selected "
        f"ones. The outer bins include values beyond the axis."
    )
    return Chart(title, explanation, axis, histogram(curves, None), keys, HEIGHT)


def _parts(
    store: Store, run: ReportedRun, section: Section, wanted: ChoiceChart, score: str
) -> dict[str, Values]:
    """The scores of all samples and of each choice; empty where no sample has the score."""
    import numpy as np

    source = run.source(section.profiler, section.dataset)
    samples = read_scores(store, source.run_id, profiler=section.profiler, dataset=section.dataset)
    scored = [(scores[score], scores) for _, _, scores in samples if scores.get(score) is not None]
    found = {_ALL: [value for value, _ in scored]}
    for mark, name in wanted.choices.items():
        found[name] = [value for value, scores in scored if scores.get(mark) == 1.0]
    return {name: np.asarray(values, dtype=float) for name, values in found.items() if values}
