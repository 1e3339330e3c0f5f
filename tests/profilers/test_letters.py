"""What a model wrote, and the option that it meant."""

import pytest

from llmprof.profilers.multiple_choice import chosen_option

OPTIONS = ["The pupil", "A man who waited", "Can't be determined"]


@pytest.mark.parametrize(
    ("completion", "place"),
    [
        ("A", 0),
        (" B\n", 1),
        ("(C)", 2),
        ("**C**", 2),
        ("A. The pupil", 0),
        ("B: because", 1),
        ("A\n\nThe pupil was late.", 0),
        ("The answer is B.", 1),
        ("Answer: (C) Can't be determined", 2),
        ("The correct option is **A**.", 0),
        ("I think it was the pupil.", 0),
        ("It can't be determined who it was.", 2),
        ("The pupil, since A is the first.", 0),
        ("A man who waited", 1),
    ],
)
def test_answers(completion: str, place: int) -> None:
    assert chosen_option(completion, OPTIONS) == place


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "D",
        "I cannot answer questions about people.",
        "A man came in.",
        "A or B",
        "The pupil or a man who waited.",
        "As an AI model, I have no opinion.",
        "Both.",
    ],
)
def test_no_answer(completion: str) -> None:
    assert chosen_option(completion, OPTIONS) is None
