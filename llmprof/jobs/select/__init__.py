"""The `select` command: training data by "active inheritance" (arXiv 2407.01490).

Several completions per prompt are sampled, from one model or several, and the one with the best
value of a metric is kept. The metric need not be differentiable.
"""

from llmprof.jobs.select.choose import Chosen, choose
from llmprof.jobs.select.criteria import Constraint
from llmprof.jobs.select.job import Choice, Drawing, SelectJob, select_job
from llmprof.jobs.select.plan import plan_select
from llmprof.jobs.select.run import run_select
from llmprof.jobs.select.training_file import FORMATS

__all__ = [
    "FORMATS",
    "Choice",
    "Chosen",
    "Constraint",
    "Drawing",
    "SelectJob",
    "choose",
    "plan_select",
    "run_select",
    "select_job",
]
