"""The `inherit` command: the experiment of "LLM See, LLM Do" (arXiv 2407.01490), end to end.

Teachers answer prompts, data are selected, a student is trained on each file and seed, everything
is profiled, and the inherited changes are reported with intervals.
"""

from llmprof.jobs.inherit.experiment import Arm, InheritJob, inherit_job
from llmprof.jobs.inherit.forecast import TrainingPlan, plan_inherit
from llmprof.jobs.inherit.outcome import report_inheritance
from llmprof.jobs.inherit.phases import run_inherit
from llmprof.jobs.inherit.stored import track_inheritance

__all__ = [
    "Arm",
    "InheritJob",
    "TrainingPlan",
    "inherit_job",
    "plan_inherit",
    "report_inheritance",
    "run_inherit",
    "track_inheritance",
]
