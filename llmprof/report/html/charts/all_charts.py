"""Every chart of a report, under the headings of the page."""

from __future__ import annotations

from dataclasses import dataclass

from llmprof.profilers import ChoiceChart, DistributionChart, GroupChart, ReliabilityChart
from llmprof.profilers.presentation import ProfileChart
from llmprof.report.contents import Report, Section
from llmprof.report.html.charts.by_group import group_charts
from llmprof.report.html.charts.change_bars import changes
from llmprof.report.html.charts.choices import choice_charts
from llmprof.report.html.charts.distributions import distribution_charts
from llmprof.report.html.charts.overview import course_charts, overview
from llmprof.report.html.charts.plotting import Chart
from llmprof.report.html.charts.reliability import reliability_charts
from llmprof.results import Store


@dataclass(frozen=True, slots=True)
class ChartGroup:
    """Charts under one heading; `anchor` is its id in the page."""

    anchor: str
    title: str
    charts: list[Chart]


def chart_groups(report: Report, store: Store) -> list[ChartGroup]:
    """The overview, the changes, and each topic of the profiles, in the order of the sections."""
    groups = [
        ChartGroup("course", "Course of the training", course_charts(report)),
        ChartGroup("overview", "Overview", overview(report)),
        ChartGroup("change", "Change", changes(report)),
    ]
    by_topic: dict[str, list[Chart]] = {}
    for section in report.sections:
        presentation = section.presentation
        topic = presentation.topic or presentation.title or section.profiler
        drawn = by_topic.setdefault(topic, [])
        for wanted in presentation.charts:
            drawn += _draw(report, section, store, wanted)
    for place, (topic, charts) in enumerate(by_topic.items(), 1):
        groups.append(ChartGroup(f"topic-{place}", topic, charts))
    return [group for group in groups if group.charts]


def _draw(report: Report, section: Section, store: Store, wanted: ProfileChart) -> list[Chart]:
    match wanted:
        case GroupChart():
            return group_charts(report, section, wanted)
        case DistributionChart():
            return distribution_charts(report, section, store, wanted)
        case ReliabilityChart():
            return reliability_charts(report, section, wanted)
        case ChoiceChart():
            return choice_charts(report, section, store, wanted)
