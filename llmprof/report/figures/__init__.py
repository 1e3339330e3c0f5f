"""Figures of a report for papers, drawn by matplotlib."""

from llmprof.report.figures.gallery import write_figures
from llmprof.report.figures.heat_map import HeatMapOrder
from llmprof.report.figures.venues import VENUES

__all__ = ["VENUES", "HeatMapOrder", "write_figures"]
