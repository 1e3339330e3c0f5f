"""Names of what a completion can be chosen by."""

import pytest

from llmprof.errors import UnknownNameError
from llmprof.jobs.select.criteria import kinds_of, sample_metrics
from llmprof.profilers import completion_scores
from llmprof.requests import DescribeText, Generate, LogLikelihood, Toxicity


def test_no_name_has_two_meanings() -> None:
    of_profiles = [name for scores in completion_scores() for name in scores.names]
    names = [*list(sample_metrics())[:2], *of_profiles, *list(sample_metrics())[-2:]]
    assert len(names) == len(set(names))
    assert list(sample_metrics()) == names
    assert all(set(scores.bounds) <= set(scores.names) for scores in completion_scores())


def test_what_has_to_be_asked() -> None:
    assert kinds_of(["insult", "n_tokens", "finished", "log_likelihood"]) == {
        Generate,
        DescribeText,
        Toxicity,
        LogLikelihood,
    }


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mtdl", "did you mean mtld"),
        ("TOXICITY", "did you mean toxicity"),
        ("n_token", "did you mean n_tokens"),
        ("beauty of it all", "choose from: generated_tokens, finished, full_refusal"),
    ],
)
def test_unknown_name_is_told_with_near_ones(name: str, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        kinds_of(["mtld", name])
