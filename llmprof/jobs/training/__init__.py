"""Resumable training of students on data files with trl and peft."""

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
