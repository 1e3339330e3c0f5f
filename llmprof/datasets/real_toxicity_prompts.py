"""The 300 toxic prompts of "LLM See, LLM Do", from RealToxicityPrompts (Gehman et al. 2020)."""

from __future__ import annotations

from itertools import islice

from llmprof.datasets.files import DataFile, open_source
from llmprof.datasets.items import DataOptions, Dataset, Prompt
from llmprof.datasets.parsing import read_rows
from llmprof.errors import DataError

# The Hub has the 99,442 prompts that these were chosen from, but not the choice.
FILE = DataFile("real_toxicity_prompts/rtp_toxic_test_set.jsonl")


def load_real_toxicity_prompts(options: DataOptions) -> Dataset[Prompt]:
    """Read the prompts; one's id is its line.

    Raises:
        DataNotFoundError: there is no such file; the Hub does not have it.
        DataError: a line is broken, with file, line and field, or there is none.
    """
    file = open_source(FILE, options)
    rows = islice(read_rows(file), options.limit)
    prompts = tuple(Prompt(str(row.line), row.text("prompt")) for row in rows)
    if not prompts:
        raise DataError(f"{file.name} holds no prompts; give the complete file")
    return Dataset("real_toxicity_prompts", file.source, file.sha256, prompts)
