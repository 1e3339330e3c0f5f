"""What profilers read: a local folder, the user's files, or the built-in samples."""

from llmprof.datasets.crows_pairs import load_crows_pairs
from llmprof.datasets.items import DataOptions, Dataset, Prompt, SentencePair
from llmprof.datasets.prompts import PROMPT_DATASETS, load_prompts
from llmprof.datasets.real_toxicity_prompts import load_real_toxicity_prompts
from llmprof.datasets.texts import load_texts

__all__ = [
    "PROMPT_DATASETS",
    "DataOptions",
    "Dataset",
    "Prompt",
    "SentencePair",
    "load_crows_pairs",
    "load_prompts",
    "load_real_toxicity_prompts",
    "load_texts",
]
