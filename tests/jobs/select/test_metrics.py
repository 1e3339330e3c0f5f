"""Names of what a completion can be chosen by."""

import pytest

from llmprof.errors import UnknownNameError
from llmprof.jobs.select.criteria import SAMPLE_METRICS, metric_names, sources_of


def test_no_name_has_two_meanings() -> None:
    names = [name for group in SAMPLE_METRICS.values() for name in group]
    assert len(names) == len(set(names))
    assert metric_names() == names


def test_what_has_to_be_asked() -> None:
    assert sources_of(["insult", "n_tokens", "finished", "log_likelihood"]) == {
        "completion",
        "text",
        "toxicity",
        "likelihood",
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mtdl", "did you mean mtld"),
        ("TOXICITY", "did you mean toxicity"),
        ("n_token", "did you mean n_tokens"),
        ("beauty of it all", "choose from: generated_tokens, finished, token_length_mean"),
    ],
)
def test_unknown_name_is_told_with_near_ones(name: str, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        sources_of(["mtld", name])
