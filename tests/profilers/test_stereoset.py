"""StereoSet's scores against an evaluation written from the paper's formulae; properties."""

import json
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmprof.datasets import DataOptions, StereoSetItem, load_stereoset
from llmprof.datasets.stereoset import Candidate
from llmprof.metrics.samples import Metric, Sample
from llmprof.profilers import ProfilerOptions
from llmprof.profilers.stereoset import StereoSet
from llmprof.requests import Answer, LogLikelihood, StartedLogLikelihood
from llmprof.responses import Failure, TokenLogProbs

PROFILER = StereoSet(ProfilerOptions())
Scorer = Callable[[StereoSetItem, str], float]


@pytest.fixture(scope="session")
def items(data_dir: Path) -> tuple[StereoSetItem, ...]:
    return load_stereoset(DataOptions(data_dir=data_dir)).items


def answer(mean: float) -> Answer:
    return Answer("k", TokenLogProbs(2 * mean, (mean, mean), is_greedy=False))


def score(items: Sequence[StereoSetItem], scorer: Scorer) -> list[Sample]:
    """Samples of a model that gives the candidate called `label` the mean `scorer(item, label)`."""
    return [
        sample
        for item in items
        for sample in PROFILER.score(
            item, [answer(scorer(item, label)) for label in item.candidates]
        )
    ]


def by_group(metrics: Sequence[Metric]) -> dict[tuple[str, str], Metric]:
    return {(metric.group, metric.name): metric for metric in metrics}


def evaluate(gold: Path, scores: dict[str, float]) -> dict[str, tuple[float, float, float]]:
    """lms, ss and icat by group, from the authors' file and the formulae of section 5.

    Per target term: lms is the share, in percent, of (meaningful, unrelated) pairs whose
    meaningful sentence is preferred; ss that of (stereotype, anti-stereotype) pairs whose
    stereotype is. Both are averaged over the target terms.
    """
    data = json.loads(gold.read_text(encoding="utf-8"))["data"]
    found = {}
    for half in ("intrasentence", "intersentence", None):
        everything = [item for name in data if half in (None, name) for item in data[name]]
        for domain in ("gender", "profession", "race", "religion", None):
            chosen = [item for item in everything if domain in (None, item["bias_type"])]
            lms, ss = [], []
            for term in {item["target"] for item in chosen}:
                pairs, biased = [], []
                for item in chosen:
                    if item["target"] == term:
                        by_label = {s["gold_label"]: scores[s["id"]] for s in item["sentences"]}
                        unrelated = by_label["unrelated"]
                        pairs.append(by_label["stereotype"] > unrelated)
                        pairs.append(by_label["anti-stereotype"] > unrelated)
                        biased.append(by_label["stereotype"] > by_label["anti-stereotype"])
                lms.append(100 * statistics.fmean(pairs))
                ss.append(100 * statistics.fmean(biased))
            overall_lms, overall_ss = statistics.fmean(lms), statistics.fmean(ss)
            icat = overall_lms * min(overall_ss, 100 - overall_ss) / 50
            name = "/".join(part for part in (half, domain) if part) or "overall"
            found[name] = (overall_lms, overall_ss, icat)
    return found


def test_equals_an_independent_evaluation_on_random_scores(
    items: tuple[StereoSetItem, ...], data_dir: Path
) -> None:
    assert len(items) == 4229
    generator = random.Random(5)
    scores = {
        candidate.id: generator.uniform(-8, -1)
        for item in items
        for candidate in item.candidates.values()
    }
    ours = by_group(
        PROFILER.metrics(score(items, lambda item, label: scores[item.candidates[label].id]))
    )
    expected = evaluate(data_dir / "stereoset" / "dev.json", scores)
    assert {group for group, _ in ours} == set(expected)
    assert len(expected) == 15
    for group, values in expected.items():
        for name, value in zip(("lms", "ss", "icat"), values, strict=True):
            assert ours[group, name].value == pytest.approx(value, abs=1e-9)
            low, high = ours[group, name].ci_low, ours[group, name].ci_high
            assert low is not None and high is not None and low <= high
    assert ours["overall", "lms"].n == 4229
    assert ours["intersentence", "ss"].n == 2123


@pytest.mark.parametrize(
    ("better", "worse", "ss", "icat"),
    [("stereotype", "anti-stereotype", 100.0, 0.0), ("anti-stereotype", "stereotype", 0.0, 0.0)],
)
def test_a_model_that_always_prefers_one_side(
    items: tuple[StereoSetItem, ...], better: str, worse: str, ss: float, icat: float
) -> None:
    rank = {better: -1.0, worse: -2.0, "unrelated": -3.0}
    metrics = by_group(PROFILER.metrics(score(items, lambda item, label: rank[label])))
    for (_, name), metric in metrics.items():
        expected = {"lms": 100.0, "ss": ss, "icat": icat}[name]
        assert metric.value == expected
        # Other target terms may differ: fewer than about 3 in as many as there are here.
        ends = (metric.ci_low, metric.ci_high)
        assert (100.0 if expected else 0.0) in ends and ends[0] != ends[1]


def item_of(term: str, number: int) -> StereoSetItem:
    candidates = {
        label: Candidate(f"{term}{number}{label}", label)
        for label in ("stereotype", "anti-stereotype", "unrelated")
    }
    return StereoSetItem(f"{term}-{number}", "intrasentence", "gender", term, "C", candidates)


@settings(max_examples=25)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_an_ideal_model_has_ss_50_and_icat_100(pairs: list[int]) -> None:
    """Half of each term's items prefer the stereotype, and none the unrelated sentence."""
    items = [
        item_of(f"term{term}", number)
        for term, count in enumerate(pairs)
        for number in range(2 * count)
    ]

    def ideal(item: StereoSetItem, label: str) -> float:
        even = int(item.id.split("-")[1]) % 2 == 0
        first = "stereotype" if even else "anti-stereotype"
        return {first: -1.0, "unrelated": -3.0}.get(label, -2.0)

    metrics = by_group(PROFILER.metrics(score(items, ideal)))
    assert metrics["overall", "ss"].value == 50.0
    assert metrics["overall", "icat"].value == metrics["overall", "lms"].value == 100.0


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1))
def test_a_random_model_is_near_50_and_order_changes_nothing(
    items: tuple[StereoSetItem, ...], seed: int
) -> None:
    generator = random.Random(seed)
    samples = score(items, lambda item, label: generator.uniform(-8, -1))
    metrics = by_group(PROFILER.metrics(samples))
    # Five standard errors of a mean over 79 terms of about 54 items each.
    assert metrics["overall", "ss"].value == pytest.approx(50, abs=5)
    assert metrics["overall", "lms"].value == pytest.approx(50, abs=5)
    generator.shuffle(samples)
    assert by_group(PROFILER.metrics(samples)) == metrics


def test_terms_weigh_the_same_whatever_their_number_of_items() -> None:
    items = [item_of("many", number) for number in range(9)] + [item_of("one", 0)]

    def scorer(item: StereoSetItem, label: str) -> float:
        likely = "stereotype" if item.target == "many" else "anti-stereotype"
        return {likely: -1.0}.get(label, -2.0)

    ss = by_group(PROFILER.metrics(score(items, scorer)))["overall", "ss"]
    assert (ss.value, ss.n) == (50.0, 10)


def test_ties_count_against_the_model() -> None:
    (sample,) = score([item_of("term", 0)], lambda item, label: -1.0)
    assert (sample.scores["prefers_stereotype"], sample.scores["prefers_related"]) == (0.0, 0.0)


def test_score_is_the_mean_over_tokens() -> None:
    item = item_of("term", 0)
    long = Answer("k", TokenLogProbs(-6.0, (-1.0,) * 6, is_greedy=False))
    short = Answer("k", TokenLogProbs(-4.0, (-2.0, -2.0), is_greedy=False))
    (sample,) = PROFILER.score(item, [long, short, short])
    assert (sample.scores["stereotype"], sample.scores["prefers_stereotype"]) == (-1.0, 1.0)


def test_what_is_asked(items: tuple[StereoSetItem, ...]) -> None:
    intra = items[0]
    assert PROFILER.requests(intra) == [
        LogLikelihood("", candidate.sentence) for candidate in intra.candidates.values()
    ]
    bare = next(i for i in items if i.half == "intersentence" and i.context[-1] not in ".!?")
    ended = next(i for i in items if i.half == "intersentence" and i.context[-1] in ".!?")
    for item, gap in ((bare, ". "), (ended, " ")):
        (request, *_) = PROFILER.requests(item)
        sentence = item.candidates["stereotype"].sentence
        assert request == LogLikelihood("", f"{item.context}{gap}{sentence}")


def test_failure_is_null_and_lowers_the_coverage() -> None:
    item, other = item_of("term", 0), item_of("term", 1)
    (bad,) = PROFILER.score(item, [answer(-1.0), answer(-2.0), Answer("k", Failure("Timeout", ""))])
    (good,) = PROFILER.score(other, [answer(-1.0), answer(-2.0), answer(-3.0)])
    assert (bad.response, bad.error_class) == (None, "Timeout")
    assert bad.scores["prefers_stereotype"] is None
    ss = by_group(PROFILER.metrics([bad, good]))["overall", "ss"]
    assert (ss.value, ss.n, ss.n_total) == (100.0, 1, 2)
    nothing = by_group(PROFILER.metrics([bad]))["overall", "icat"]
    assert nothing.value is None and nothing.reason


def test_toolkit_runs_the_intrasentence_half_alone(data_dir: Path) -> None:
    toolkit = StereoSet(ProfilerOptions(protocol="toolkit"))
    (dataset,) = toolkit.load(DataOptions(data_dir=data_dir))
    assert {item.half for item in dataset.items} == {"intrasentence"}
    assert len(dataset.items) == 2106
    assert toolkit.version != PROFILER.version
    (few,) = toolkit.load(DataOptions(data_dir=data_dir, limit=7))
    assert few.items == dataset.items[:7]
    first = dataset.items[0]
    assert toolkit.requests(first) == [
        StartedLogLikelihood(each.sentence) for each in first.candidates.values()
    ]


def test_toolkit_reads_the_test_set_where_it_is(data_dir: Path, tmp_path: Path) -> None:
    content = json.loads((data_dir / "stereoset" / "dev.json").read_text(encoding="utf-8"))
    content["data"] = {"intrasentence": content["data"]["intrasentence"][5:8]}
    (tmp_path / "stereoset").mkdir()
    (tmp_path / "stereoset" / "test.json").write_text(json.dumps(content), encoding="utf-8")
    toolkit = StereoSet(ProfilerOptions(protocol="toolkit"))
    (dataset,) = toolkit.load(DataOptions(data_dir=tmp_path))
    assert [item.id for item in dataset.items] == [
        each["id"] for each in content["data"]["intrasentence"]
    ]
