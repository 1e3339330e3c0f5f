"""What a profiler says of its settings is so: each of them, and nothing else, changes its work."""

from dataclasses import fields, replace
from typing import Any

import pytest

from llmprof.datasets import DataOptions
from llmprof.profilers import Comparable, ProfilerOptions, create_profiler
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
    "toxicity_scorer": "perspective",
    "pooling": "last",
    "layer": 3,
}
OF_DATA = {"text_dataset", "calibration_data"}
NOT_THE_USERS = {"chat", "capabilities", "scorer_model", "scorers"}
DATA = DataOptions("builtin", limit=2)


def work(name: str, options: ProfilerOptions) -> tuple[str, list[Any]]:
    profiler = create_profiler(name, options)
    stated = [
        request.canonical()
        for dataset in profiler.load(DATA)
        for item in dataset.items
        for request in profiler.requests(item)
    ]
    return profiler.version, stated


def test_every_option_of_a_user_is_tried() -> None:
    assert {field.name for field in fields(ProfilerOptions)} == {
        *OTHERS, *OF_DATA, *NOT_THE_USERS
    }  # fmt: skip


@pytest.mark.parametrize("kind", [Generate, LogLikelihood])
@pytest.mark.parametrize("name", BUILT_IN)
def test_settings_are_those_that_change_the_requests_but_not_the_version(
    name: str, kind: Any
) -> None:
    options = ProfilerOptions(capabilities=frozenset({kind}))
    profiler = create_profiler(name, options)
    assert isinstance(profiler, Comparable)
    version, stated = work(name, options)
    changed = set()
    for option, value in OTHERS.items():
        other_version, other_stated = work(name, replace(options, **{option: value}))
        if other_version == version and other_stated != stated:
            changed.add(option)
    assert changed <= profiler.settings
    if kind in profiler.needs or name == "toxicity":
        assert changed == profiler.settings
