"""From completions to training data: "active inheritance" (arXiv 2407.01490).

Several completions of each prompt are drawn, from one model or several; one that moves a metric
the wanted way is kept. The metric need not be differentiable.
"""

from llmprof.selection.choose import Chosen, choose
from llmprof.selection.formats import FORMATS
from llmprof.selection.job import Choice, Drawing, SelectJob
from llmprof.selection.metrics import SAMPLE_METRICS
from llmprof.selection.plan import plan_select
from llmprof.selection.run import run_select
from llmprof.selection.where import Constraint

__all__ = [
    "FORMATS",
    "SAMPLE_METRICS",
    "Choice",
    "Chosen",
    "Constraint",
    "Drawing",
    "SelectJob",
    "choose",
    "plan_select",
    "run_select",
]
