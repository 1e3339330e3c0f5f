"""Constraints: what they mean, and all that they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmprof.errors import UnknownNameError, UsageError
from llmprof.jobs.select import Constraint

SHORT_AND_MILD = {"n_tokens": 12.0, "toxicity": 0.1, "smog": None, "contains_lorem ipsum": 0.0}
LONG_AND_RUDE = {"n_tokens": 500.0, "toxicity": 0.9, "smog": 8.0, "contains_lorem ipsum": 1.0}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("n_tokens < 400 AND toxicity < 0.2", [True, False]),
        ("n_tokens >= 400 or toxicity<.2", [True, True]),
        ("NOT (n_tokens = 12)", [False, True]),
        ("n_tokens BETWEEN 10 AND 20", [True, False]),
        ("n_tokens IN (500, 600)", [False, True]),
        ("n_tokens not in (500, 600)", [True, False]),
        ("smog IS NULL", [True, False]),
        ("smog is not null", [False, True]),
        ("smog < 10", [False, True]),
        ("NOT smog < 10", [False, False]),
        ("log_likelihood > -50", [False, False]),
        ("toxicity * 1", None),
        ('"contains_lorem ipsum" = 0', [True, False]),
        ("toxicity < n_tokens", [True, True]),
        ("n_tokens <> 12 AND n_tokens != 13", [False, True]),
        ("toxicity <= 1e-1", [True, False]),
        ("(n_tokens) < (400)", [True, False]),
        ("(n_tokens < 400) AND ((toxicity < 0.2))", [True, False]),
        ("n_tokens BETWEEN (10) AND 20 AND toxicity < 0.2", [True, False]),
        ("NOT (n_tokens < 400 OR toxicity < 0.2) AND smog = 8", [False, True]),
    ],
)
def test_meaning_is_that_of_sql(text: str, met: list[bool] | None) -> None:
    if met is None:
        with pytest.raises(UsageError):
            Constraint(text)
    else:
        assert Constraint(text).met_by([SHORT_AND_MILD, LONG_AND_RUDE]) == met


def test_names_are_told_once_each() -> None:
    assert Constraint("mtld > 3 AND (mtld < 9 OR toxicity < 1)").names == ("mtld", "toxicity")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "n_tokens <",
        "n_tokens < 400 toxicity < 1",
        "n_tokens < 400 AND",
        "(n_tokens < 400",
        "n_tokens < 400)",
        "n_tokens < 'many'",
        "n_tokens < 4; DROP TABLE completions",
        "n_tokens < 4 -- and no more",
        "n_tokens < 4 /* and no more",
        "1) UNION SELECT (1",
        "n_tokens < (SELECT 1)",
        "n_tokens < abs(3)",
        "load_extension(3)",
        "randomblob(1000000000) > 1",
        "n_tokens < ?",
        "n_tokens < :limit",
        "n_tokens < 12.5.6",
        "n_tokens < 12x",
        "n_tokens LIKE 3",
        "0.1 < toxicity < 0.5",
        "n_tokens = 3 = toxicity",
        "0 < (n_tokens) < 3",
        "(0 < n_tokens) < 3",
        "((0 < n_tokens)) < 3",
        "3 > (0 < n_tokens)",
        "(n_tokens > 3 AND smog) < 3",
        "0 < n_tokens BETWEEN 1 AND 3",
        "n_tokens BETWEEN 1 AND 3 < 5",
        "0 < n_tokens IN (1, 2)",
        "n_tokens IN (toxicity < 1, 2)",
        "0 < n_tokens IS NULL",
        "n_tokens IN toxicity",
        "place < 3",
        "(" * 5000 + "n_tokens" + ")" * 5000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Constraint(text)


def test_misspelt_metric_is_told_with_near_ones() -> None:
    with pytest.raises(UnknownNameError, match="did you mean toxicity"):
        Constraint("n_tokens < 4 AND toxcity < 0.2")


@given(st.text(alphabet="n_tokesANDOR()<>=!.0123456789 \"'-;,", max_size=40))
def test_any_text_is_evaluated_or_refused(text: str) -> None:
    try:
        constraint = Constraint(text)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert len(constraint.met_by([SHORT_AND_MILD, LONG_AND_RUDE])) == 2


@given(
    st.lists(st.floats(-1e6, 1e6) | st.none(), max_size=20),
    st.integers(-1000, 1000),
)
def test_comparison_agrees_with_python(values: list[float | None], bound: int) -> None:
    met = Constraint(f"mtld > {bound}").met_by([{"mtld": value} for value in values])
    assert met == [value is not None and value > bound for value in values]
