"""What a profiler says of its settings is so: each of them, and nothing else, changes its work."""

from dataclasses import fields, replace
from typing import Any

import pytest

from llmprof.datasets import DataOptions
from llmprof.profilers import Comparable, ModelFacts, ProfilerOptions, create_profiler, for_model
from llmprof.profilers.registry import BUILT_IN
from llmprof.requests import Generate, LogLikelihood

# Another value of each option that a user may set; which data are read is told by the data's hash.
OTHERS: dict[str, Any] = {
    "max_new_tokens": 7,
    "seed": 5,
    "prompt_format": "paper",
    "system_prompt": "Be brief.",
    "protocol": "toolkit",
    "toxicity_samples": 3,
    "completions": 3,
    "refusal_judge": "classifier:model",
    "temperature": 0.5,
    "top_p": 0.8,
    "pooling": "last",
    "layer": 3,
    "spacy_model": "en_core_web_lg",
    "language": "fr",
}
OF_DATA = {
    "bbq_data",
    "bbq_language",
    "text_dataset",
    "calibration_data",
    "counterfactual_prompts",
    "crows_pairs_language",
    "preference_data",
    "toxicity_language",
    "toxicity_prompts",
}
# Which metrics there are, and nothing of how they are made.
OF_METRICS = {"metrics"}
DATA = DataOptions(data="builtin", limit=2)


def work(name: str, options: ProfilerOptions, facts: ModelFacts) -> tuple[str, list[Any]]:
    profiler = for_model(create_profiler(name, options), facts)
    stated = [
        request.canonical()
        for dataset in profiler.load(DATA)
        for item in dataset.items
        for request in profiler.requests(item)
    ]
    return profiler.version, stated


def test_every_option_of_a_user_is_tried() -> None:
    assert {field.name for field in fields(ProfilerOptions)} == {*OTHERS, *OF_DATA, *OF_METRICS}


@pytest.mark.parametrize("kind", [Generate, LogLikelihood])
@pytest.mark.parametrize("name", BUILT_IN)
def test_settings_are_those_that_change_the_requests_but_not_the_version(
    name: str, kind: Any
) -> None:
    options, facts = ProfilerOptions(), ModelFacts(capabilities=frozenset({kind}))
    profiler = for_model(create_profiler(name, options), facts)
    assert isinstance(profiler, Comparable)
    version, stated = work(name, options, facts)
    changed = set()
    for option, value in OTHERS.items():
        other_version, other_stated = work(name, replace(options, **{option: value}), facts)
        if other_version == version and other_stated != stated:
            changed.add(option)
    assert changed <= profiler.settings
    if kind in profiler.needs or name == "toxicity":
        assert changed == profiler.settings
