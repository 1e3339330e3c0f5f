"""Several scorers, policies and bridges in one run: each with its own numbers, never mixed."""

import numpy as np
import pytest
from scipy import stats

from llmprof.datasets import Prompt
from llmprof.jobs.bridge import read_bridge
from llmprof.metrics.measures import Single, difference, metrics_of
from llmprof.metrics.samples import Sample
from llmprof.profilers.protocol import ScorerFacts
from llmprof.profilers.scorer_measures import completion_measures, suffixes
from llmprof.profilers.toxicity import TextToxicity
from llmprof.profilers.toxicity_measures import ATTRIBUTES, toxicity_measures
from llmprof.requests import Answer, Toxicity
from llmprof.responses import Failure, ToxicityScores

A, B = ScorerFacts("a", "m"), ScorerFacts("b", "n")
POLICY = ScorerFacts("guard", "g", categories=("hate", "sexual"))


def samples(seed: int = 0, prompts: int = 40, k: int = 5) -> list[Sample]:
    rng = np.random.default_rng(seed)
    made = []
    for prompt in range(prompts):
        for index in range(k):
            a, b, hate, sexual = rng.uniform(0, 1, 4)
            scores = {"TOXICITY": a, "TOXICITY:b": (a + b) / 2}
            policy = {"hate:guard": hate, "sexual:guard": sexual}
            made.append(Sample(str(prompt), "p", "text", {**scores, **policy}, sample_index=index))
    return made


def test_each_scorer_has_the_numbers_that_it_has_alone() -> None:
    found = {(m.name, m.group): m for m in metrics_of(completion_measures(samples(), [A, B]))}
    for name, suffix in (("a", ""), ("b", ":b")):
        alone = [
            Sample(each.sample_id, "p", "text", {"TOXICITY": each.scores[f"TOXICITY{suffix}"]})
            for each in samples()
        ]
        for metric in metrics_of(toxicity_measures(alone, name)):
            if metric.name != "empty_completions":
                assert found[metric.name, metric.group] == metric
    assert sum(name == "empty_completions" for name, _ in found) == 1


def test_pairs_of_scorers_are_compared_on_the_runs_own_completions() -> None:
    found = {m.name: m for m in metrics_of(completion_measures(samples(), [A, B]))}
    a = np.asarray([each.scores["TOXICITY"] for each in samples()], dtype=float)
    b = np.asarray([each.scores["TOXICITY:b"] for each in samples()], dtype=float)
    rank = found["rank_correlation:a&b"]
    assert rank.value == pytest.approx(stats.spearmanr(a, b).statistic)
    assert (rank.n, rank.n_total) == (40, 40)
    assert rank.ci_low is not None and rank.value is not None and rank.ci_low < rank.value
    sides = (a.reshape(40, 5).max(1) >= 0.5) != (b.reshape(40, 5).max(1) >= 0.5)
    assert found["maxima_on_other_sides:a&b"].value == pytest.approx(sides.mean())


def test_a_policy_is_never_part_of_toxicity() -> None:
    alone = list(metrics_of(completion_measures(samples(), [POLICY])))
    assert not [each for each in alone if "toxic" in each.name]
    found = {(m.name, m.group): m for m in alone}
    hate = np.asarray([each.scores["hate:guard"] for each in samples()], dtype=float)
    sexual = np.asarray([each.scores["sexual:guard"] for each in samples()], dtype=float)
    name = "expected_maximum_policy_score:guard"
    assert found[name, "hate"].value == pytest.approx(hate.reshape(40, 5).max(1).mean())
    both = np.maximum(hate, sexual).reshape(40, 5).max(1)
    assert found[name, "overall"].value == pytest.approx(both.mean())
    together = {m.name for m in metrics_of(completion_measures(samples(), [A, POLICY]))}
    assert "expected_maximum_toxicity:a" in together
    assert not [each for each in together if "&" in each or "toxicity:guard" in each]
    assert suffixes([POLICY, A]) == {"guard": ":guard", "a": ""}


def test_a_bridge_adds_estimates_and_changes_nothing_else() -> None:
    bridged = ScorerFacts("profanity", "p", bridges=(read_bridge("builtin").content,))
    plain = metrics_of(completion_measures(samples(), [ScorerFacts("profanity", "p")]))
    measures = list(completion_measures(samples(), [bridged]))
    found = {(m.name, m.group): m for m in metrics_of(measures)}
    assert [found[m.name, m.group] for m in plain] == plain
    estimate = found["expected_maximum_toxicity:perspective-2020~profanity", "overall"]
    assert estimate.value is not None and estimate.ci_low is not None
    assert "an estimate of perspective-2020 from profanity" in str(estimate.reason)
    insult = found["expected_maximum_toxicity:perspective-2020~profanity", "INSULT"]
    assert (insult.value, insult.reason) == (None, "the bridge has no fit for INSULT")
    of_bridge = [each for each in measures if "~" in each.name]
    assert all(isinstance(each, Single) for each in of_bridge)
    assert isinstance(difference(of_bridge[0], of_bridge[0]), str)
    again = {(m.name, m.group): m for m in metrics_of(completion_measures(samples(), [bridged]))}
    assert again == found


def test_texts_are_asked_of_every_scorer_and_keep_the_reason_why_not() -> None:
    profiler = TextToxicity("a", "m", (A, B, POLICY))
    item = Prompt("1", "text")
    assert profiler.requests(item) == [
        Toxicity("text", ATTRIBUTES, "a"),
        Toxicity("text", ATTRIBUTES, "b"),
        Toxicity("text", (), "guard"),
    ]
    assert profiler.version == "texts-by-a(m)+b(n)+guard(g)-1"
    answers = [
        Answer("k", ToxicityScores({"TOXICITY": 0.5})),
        Answer("l", Failure("NotRecorded", "no")),
        Answer("m", ToxicityScores({"hate": 0.1, "sexual": 0.2})),
    ]
    (sample,) = profiler.score(item, answers)
    assert sample.scores == {"TOXICITY": 0.5, "hate:guard": 0.1, "sexual:guard": 0.2}
    assert sample.error_class == "NotRecorded"
