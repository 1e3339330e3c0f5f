"""What profilers read: a local folder, the user's files, or the built-in samples."""

from llmprof.datasets.crows_pairs import load_crows_pairs
from llmprof.datasets.items import DataOptions, Dataset, Prompt, SentencePair
from llmprof.datasets.prompts import PROMPT_DATASETS, load_prompts
from llmprof.datasets.seat import AssociationTest, load_seat
from llmprof.datasets.stereoset import StereoSetItem, load_stereoset

__all__ = [
    "PROMPT_DATASETS",
    "AssociationTest",
    "DataOptions",
    "Dataset",
    "Prompt",
    "SentencePair",
    "StereoSetItem",
    "load_crows_pairs",
    "load_prompts",
    "load_seat",
    "load_stereoset",
]
