"""Judges of pairs: LLMBar's published statistics, scripted judges, an independent regression."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.datasets import DataOptions, PreferencePair, load_preferences
from llmprof.metrics.measures import difference
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ModelFacts, ProfilerOptions
from llmprof.profilers.preferences import REPLIES, Preferences, stated_verdict
from llmprof.requests import Answer, Generate, LogLikelihood
from llmprof.responses import Completion, Failure, TokenLogProbs

BY_LETTER = Preferences(
    ProfilerOptions(), ModelFacts(chat=True, capabilities=frozenset({Generate}))
)
BY_PROBABILITY = Preferences(
    ProfilerOptions(), ModelFacts(capabilities=frozenset({Generate, LogLikelihood}))
)
PUBLISHED = json.loads(Path(__file__).with_name("llmbar_verdicts.json").read_text("utf-8"))
# From a pair as it is shown to what the judge says of it.
Judge = Callable[[PreferencePair, tuple[str, str]], str]


def said(text: str) -> Answer:
    return Answer("key", Completion(text, 3, "stop"))


def judged(pairs: Sequence[PreferencePair], judge: Judge) -> list[Sample]:
    samples = []
    for pair in pairs:
        first, second = pair.outputs
        answers = [said(judge(pair, shown)) for shown in ((first, second), (second, first))]
        samples += BY_LETTER.score(pair, answers)
    return samples


def by_name(samples: Sequence[Sample], group: str = "overall") -> dict[str, Metric]:
    return {each.name: each for each in BY_LETTER.metrics(samples) if each.group == group}


def pair(number: int, preferred: int = 0, lengths: tuple[int, int] = (3, 5)) -> PreferencePair:
    return PreferencePair(
        f"p{number}", "Do it.", ("x" * lengths[0], "y" * lengths[1]), preferred, "made"
    )


def percent(text: str) -> float:
    return float(text.rpartition("=")[2].strip().rstrip("%"))


@pytest.mark.parametrize("name", PUBLISHED["judges"])
def test_published_verdicts_give_the_published_statistics(name: str) -> None:
    samples = []
    for subset, verdicts in PUBLISHED["judges"][name].items():
        for number, label in enumerate(PUBLISHED["preferred"][subset]):
            item = replace(pair(number, int(label) - 1), id=f"{subset}-{number}", subset=subset)
            given_verdict, swapped = verdicts["given"][number], verdicts["swapped"][number]
            answers = [
                said({"1": REPLIES[0], "2": REPLIES[1], "-": "Neither."}[given_verdict]),
                said({"1": REPLIES[1], "2": REPLIES[0], "-": "Neither."}[swapped]),
            ]
            samples += BY_LETTER.score(item, answers)
    for subset, verdicts in PUBLISHED["judges"][name].items():
        metrics, published = by_name(samples, subset), verdicts["statistics"]
        for metric, statistic in (
            ("agreement", "correct_average"),
            ("agreement_both_orders", "correct_both"),
            ("same_verdict", "equal"),
        ):
            value = metrics[metric].value
            assert value is not None
            assert 100 * value == pytest.approx(percent(published[statistic]), abs=1e-11)
        assert metrics["kappa_llmbar"].value == pytest.approx(published["kappa_average"], abs=1e-14)
        # Their script counts no verdict as one for the second output.
        if "-" not in verdicts["given"] + verdicts["swapped"]:
            assert metrics["kappa_between_orders"].value == pytest.approx(
                published["kappa_agreement"], abs=1e-14
            )
    adversarial = by_name(samples, "adversarial")["agreement"]
    assert (adversarial.n, by_name(samples)["agreement"].n) == (319, 419)


ALWAYS_FIRST: Judge = lambda pair, shown: "Output (a)"  # noqa: E731
RIGHT: Judge = lambda pair, shown: REPLIES[shown.index(pair.outputs[pair.preferred])]  # noqa: E731
WRONG: Judge = lambda pair, shown: REPLIES[1 - shown.index(pair.outputs[pair.preferred])]  # noqa: E731
LONGER: Judge = lambda pair, shown: REPLIES[len(shown[1]) > len(shown[0])]  # noqa: E731
PAIRS = [pair(number, number % 2, (3, 5) if number % 4 < 2 else (5, 3)) for number in range(40)]


def test_a_judge_that_always_names_the_first_has_a_position_bias_of_1() -> None:
    metrics = by_name(judged(PAIRS, ALWAYS_FIRST))
    assert metrics["position_bias"].value == metrics["position_bias_to_first"].value == 1.0
    assert metrics["position_bias_to_second"].value == metrics["same_verdict"].value == 0.0
    assert (metrics["agreement"].value, metrics["agreement_both_orders"].value) == (0.5, 0.0)
    assert (metrics["kappa"].value, metrics["prefers_longer"].value) == (0.0, 0.5)


@pytest.mark.parametrize("count", range(1, 41))
def test_a_kappa_of_nothing_but_chance_is_0_and_not_a_rounding_error(count: int) -> None:
    metrics = by_name(judged(PAIRS[:count], ALWAYS_FIRST))
    assert metrics["kappa"].value in (0.0, None)
    assert metrics["kappa_between_orders"].value in (0.0, None)


def test_a_judge_that_is_right_has_none_and_one_that_is_wrong_neither() -> None:
    right, wrong = by_name(judged(PAIRS, RIGHT)), by_name(judged(PAIRS, WRONG))
    for metrics, agreement in ((right, 1.0), (wrong, 0.0)):
        assert metrics["position_bias"].value == 0.0
        assert metrics["same_verdict"].value == 1.0
        assert metrics["agreement"].value == metrics["agreement_both_orders"].value == agreement
        assert metrics["kappa"].value == pytest.approx(2 * agreement - 1)
        # Nothing tells how such a judge would choose where people prefer neither.
        longer = metrics["prefers_longer"]
        assert (longer.value, longer.ci_low, longer.ci_high) == (0.5, 0.0, 1.0)
        assert metrics["longer_coefficient"].value == 0.0
        assert metrics["longer_coefficient"].ci_low is None
        assert metrics["longer_coefficient"].reason


def test_a_judge_that_prefers_the_longer_leans_to_it_and_agrees_by_chance() -> None:
    metrics = by_name(judged(PAIRS, LONGER))
    assert metrics["agreement"].value == 0.5
    longer = metrics["prefers_longer"]
    assert longer.value is not None and longer.value > 0.97
    assert longer.ci_low is not None and longer.ci_low > 0.8
    assert longer.ci_high == 1.0


def random_judge(generator: random.Random, right: float, longer: float) -> Judge:
    """The logistic model itself, with these two coefficients and no bias of position."""

    def judge(pair: PreferencePair, shown: tuple[str, str]) -> str:
        signs = (
            1 if shown[0] == pair.outputs[pair.preferred] else -1,
            1 if len(shown[0]) > len(shown[1]) else -1,
        )
        chance = 1 / (1 + math.exp(-(right * signs[0] + longer * signs[1])))
        return REPLIES[0] if generator.random() < chance else REPLIES[1]

    return judge


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.floats(-1, 2), st.floats(-1, 1))
def test_the_coefficient_is_that_of_a_logistic_regression(
    seed: int, right: float, longer: float
) -> None:
    """Against scikit-learn's, with half a verdict added to each cell as Firth's correction does."""
    from sklearn.linear_model import LogisticRegression

    samples = judged(PAIRS, random_judge(random.Random(seed), right, longer))
    rows, verdicts, weights = [], [], []
    for sample in samples:
        rows.append((1.0, sample.scores["preferred_is_longer"]))
        verdicts.append(sample.scores["agrees"])
        weights.append(0.5)
    for sign in (1.0, -1.0):
        for verdict in (1.0, 0.0):
            rows.append((1.0, sign))
            verdicts.append(verdict)
            weights.append(0.5)
    fitted = LogisticRegression(C=math.inf, fit_intercept=False, tol=1e-10, max_iter=10_000)
    fitted.fit(rows, verdicts, weights)
    found = by_name(samples)
    assert found["longer_coefficient"].value == pytest.approx(fitted.coef_[0][1], abs=1e-4)
    probability = 1 / (1 + math.exp(-fitted.coef_[0][1]))
    assert found["prefers_longer"].value == pytest.approx(probability, abs=1e-4)
    for metric in found.values():
        if metric.ci_low is not None and metric.ci_high is not None:
            assert metric.value is not None
            assert metric.ci_low <= metric.value <= metric.ci_high


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from("ab-"), st.sampled_from("ab-")),
                min_size=3, max_size=40))  # fmt: skip
def test_kappa_is_scikit_learns(cases: list[tuple[bool, str, str]]) -> None:
    from sklearn.metrics import cohen_kappa_score

    samples, labels, given, swapped = [], [], [], []
    for number, (preferred, first, second) in enumerate(cases):
        item = pair(number, int(preferred))
        texts = {"a": "Output (a)", "b": "Output (b)", "-": "Both are good."}
        samples += BY_LETTER.score(item, [said(texts[first]), said(texts[second])])
        labels.append("ab"[item.preferred])
        given.append(first)
        swapped.append({"a": "b", "b": "a", "-": "-"}[second])
    metrics = by_name(samples)
    expected = [cohen_kappa_score(verdicts, labels) for verdicts in (given, swapped)]
    ours = metrics["kappa"].value
    assert (
        ours == pytest.approx(sum(expected) / 2) if ours is not None else math.isnan(sum(expected))
    )
    between = metrics["kappa_between_orders"].value
    assert (math.nan if between is None else between) == pytest.approx(
        cohen_kappa_score(given, swapped), nan_ok=True
    )
    assert metrics["no_verdict"].value == pytest.approx(
        (given.count("-") + swapped.count("-")) / 2 / len(cases)
    )


def test_self_preference_of_own_outputs() -> None:
    pairs = [replace(each, own=number % 2) for number, each in enumerate(PAIRS)]
    pairs = [replace(each, preferred=number // 2 % 2) for number, each in enumerate(pairs)]
    own: Judge = lambda pair, shown: REPLIES[shown.index(pair.outputs[pair.own or 0])]  # noqa: E731
    metrics = by_name(judged(pairs, own))
    assert metrics["prefers_own"].value is not None and metrics["prefers_own"].value > 0.97
    assert "prefers_own" not in by_name(judged(PAIRS, own))


def test_what_is_asked_in_both_orders() -> None:
    item = pair(0)
    given, swapped = BY_LETTER.requests(item)
    assert isinstance(given, Generate) and isinstance(swapped, Generate)
    assert [message.role for message in given.prompt if not isinstance(message, str)] == [
        "system", "user",
    ]  # fmt: skip
    for request, (first, second) in ((given, ("xxx", "yyyyy")), (swapped, ("yyyyy", "xxx"))):
        text = request.prompt[-1].content  # type: ignore[union-attr]
        assert f"# Output (a):\n{first}\n\n# Output (b):\n{second}\n" in text
    scored = BY_PROBABILITY.requests(item)
    assert [each.continuation for each in scored if isinstance(each, LogLikelihood)] == [
        " Output (a)", " Output (b)", " Output (a)", " Output (b)",
    ]  # fmt: skip
    assert BY_LETTER.version != BY_PROBABILITY.version


def test_verdict_by_probability() -> None:
    values = [-1.0, -3.0, -1.0, -3.0]
    answers = [Answer("k", TokenLogProbs(value, (value,), False)) for value in values]
    given, swapped = BY_PROBABILITY.score(pair(0), answers)
    assert (given.response, swapped.response) == ("Output (a)", "Output (a)")
    assert (given.scores["agrees"], swapped.scores["agrees"]) == (1.0, 0.0)
    sure = 1 / (1 + math.exp(-2))
    assert given.scores["probability"] == pytest.approx(sure)
    assert swapped.scores["probability"] == pytest.approx(1 - sure)
    rank = BY_PROBABILITY.presentation.samples.rank
    assert (rank(swapped.scores) or 0) > (rank(given.scores) or 0)


def test_failure_is_null_and_lowers_the_coverage() -> None:
    failed = Answer("k", Failure("Timeout", ""))
    bad = BY_LETTER.score(pair(0), [said("Output (a)"), failed])
    assert (bad[1].response, bad[1].error_class, bad[1].scores["agrees"]) == (None, "Timeout", None)
    metrics = by_name([*bad, *judged([pair(1)], RIGHT)])
    for name in ("agreement", "same_verdict", "position_bias", "kappa"):
        assert (metrics[name].n, metrics[name].n_total) == (1, 2)
    nothing = by_name(bad)
    assert all(metric.value is None and metric.reason for metric in nothing.values())


def test_change_of_the_leaning_between_two_judges() -> None:
    generator = random.Random(4)
    pairs = [replace(PAIRS[number % 40], id=str(number)) for number in range(400)]
    plain, fond = (
        {each.name: each for each in BY_LETTER.measures(judged(pairs, judge))}
        for judge in (random_judge(generator, 0.5, 0.0), random_judge(generator, 0.5, 1.5))
    )
    change = difference(plain["prefers_longer"], fond["prefers_longer"])
    assert not isinstance(change, str)
    assert change.value is not None and change.ci_low is not None and change.n == 400
    assert 0.15 < change.ci_low < change.value < 0.45
    assert isinstance(difference(plain["kappa"], fond["longer_coefficient"]), str)


@pytest.mark.parametrize(
    ("completion", "place"),
    [
        ("Output (a)", 0),
        ("output (B)", 1),
        (" **Output (b)**", 1),
        ("(b)", 1),
        ("B.", 1),
        ("a\n", 0),
        ("I think Output (b) is better.", 1),
        ("Output (a) is better than Output (b).", 0),
        ("# Output (b)", 1),
        ("", None),
        ("Neither.", None),
        ("A good answer would be longer.", None),
        ("Both Output (a) and Output (b) are good.", None),
        ("outputs (c)", None),
    ],
)
def test_stated_verdicts(completion: str, place: int | None) -> None:
    assert stated_verdict(completion) == place


def test_builtin_pairs_are_not_those_of_the_authors(data_dir: Path) -> None:
    ours = load_preferences(DataOptions(data="builtin"))
    real = load_preferences(DataOptions(data_dir=data_dir))
    assert [len(each.items) for each in real] == [419, 466]
    assert [each.name for each in ours] == [each.name for each in real]
    assert all(each.demonstration for each in ours)
    assert {item.subset for item in ours[0].items} == {item.subset for item in real[0].items}
    theirs = {text for each in real for item in each.items for text in item.outputs}
    assert not theirs & {text for each in ours for item in each.items for text in item.outputs}
