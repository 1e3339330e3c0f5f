"""Train a student on a data file by trl and peft: resumable, and never twice the same."""

from llmprof.jobs.training.lessons import Lesson
from llmprof.jobs.training.packages import check_packages
from llmprof.jobs.training.recipe import METHODS, OBJECTIVES, TrainingRecipe, read_recipe
from llmprof.jobs.training.students import Student

__all__ = [
    "METHODS",
    "OBJECTIVES",
    "Lesson",
    "Student",
    "TrainingRecipe",
    "check_packages",
    "read_recipe",
]
