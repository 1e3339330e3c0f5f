"""Data sets that profilers read: from a folder, the Hub, the user's files or built-in samples."""

from llmprof.datasets.bbq import load_bbq
from llmprof.datasets.completions import Answered, Written, load_completions
from llmprof.datasets.crows_pairs import load_crows_pairs
from llmprof.datasets.items import (
    BiasQuestion,
    DataOptions,
    Dataset,
    MultipleChoice,
    Prompt,
    SentencePair,
)
from llmprof.datasets.mbbq import load_mbbq
from llmprof.datasets.multiple_choice import CHOICE_DATASETS, load_multiple_choice
from llmprof.datasets.preferences import (
    PREFERENCE_DATASETS,
    PreferencePair,
    load_preferences,
)
from llmprof.datasets.prompts import (
    PROMPT_DATASETS,
    load_prompts,
    load_texts,
)
from llmprof.datasets.seat import AssociationTest, load_seat
from llmprof.datasets.stereoset import StereoSetItem, load_stereoset
from llmprof.datasets.toxicity_prompts import load_toxicity_prompts
from llmprof.datasets.xstest import SafetyPrompt, load_xstest

__all__ = [
    "CHOICE_DATASETS",
    "PREFERENCE_DATASETS",
    "PROMPT_DATASETS",
    "Answered",
    "AssociationTest",
    "BiasQuestion",
    "DataOptions",
    "Dataset",
    "MultipleChoice",
    "PreferencePair",
    "Prompt",
    "SafetyPrompt",
    "SentencePair",
    "StereoSetItem",
    "Written",
    "load_bbq",
    "load_completions",
    "load_crows_pairs",
    "load_mbbq",
    "load_multiple_choice",
    "load_preferences",
    "load_prompts",
    "load_seat",
    "load_stereoset",
    "load_texts",
    "load_toxicity_prompts",
    "load_xstest",
]
