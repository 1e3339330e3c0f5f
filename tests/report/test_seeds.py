"""Seeds of one model: the latest, side by side, or together with mean and spread."""

import json
import statistics
from pathlib import Path

import pytest

from llmprof.report.build import build_report
from llmprof.report.contents import Report, Row
from llmprof.report.formats import write_report
from tests.report.databases import add_run, pairs, texts

LENGTHS = {
    "base": [[10.0, 20.0, 30.0], [13.0, 20.0, 30.0], [10.0, 20.0, 36.0]],
    "tuned": [[40.0, 50.0, 60.0], [43.0, 50.0, 60.0], [40.0, 50.0, 66.0]],
}
PAIRS = {"base": [1.0, 0.0] * 6, "tuned": [1.0, 1.0] * 6}


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seeds of two models, of which the completions depend on the seed alone."""
    db = tmp_path_factory.mktemp("seeds") / "a.db"
    for model, seeds in LENGTHS.items():
        for seed, lengths in enumerate(seeds):
            add_run(db, model, texts(lengths), pairs(PAIRS[model]), seed=seed)
    return db


def row_of(report: Report, metric: str) -> Row:
    rows = [row for section in report.sections for row in section.rows]
    return next(row for row in rows if row.metric == metric and row.group == "overall")


def test_a_model_is_its_latest_seed_or_each_of_them(db: Path) -> None:
    assert [run.seed for run in build_report(db, ["base"], None).runs] == [2]
    beside = build_report(db, ["base"], None, seeds="each")
    assert [run.label for run in beside.runs] == ["seed 0", "seed 1", "seed 2"]


def test_together_is_mean_spread_and_interval_over_seeds(db: Path) -> None:
    report = build_report(db, ["base", "tuned"], None, seeds="together")
    assert [run.label for run in report.runs] == ["base", "tuned"]
    value = row_of(report, "n_tokens").values[0]
    means = [statistics.mean(lengths) for lengths in LENGTHS["base"]]
    assert value is not None and value.ci_low is not None and value.ci_high is not None
    assert value.value == pytest.approx(statistics.mean(means))
    assert value.spread == pytest.approx(statistics.stdev(means))
    assert (value.n, value.seeds, value.unit) == (3, 3, "seeds")
    from scipy.stats import t

    reach = t.ppf(0.975, 2) * statistics.stdev(means) / 3**0.5
    assert value.ci_high - value.ci_low == pytest.approx(2 * reach)
    assert any("seeds 0, 1, 2" in remark for remark in report.remarks)


def test_an_interval_over_seeds_is_within_the_bounds_of_the_metric(tmp_path: Path) -> None:
    for seed, (length, share) in enumerate([(10.0, 0.0), (30.0, 1.0)]):
        add_run(tmp_path / "a.db", "base", texts([length, 0.0]), pairs([share, 1.0]), seed=seed)
    report = build_report(tmp_path / "a.db", ["base"], None, seeds="together")
    lengths, shares = (row_of(report, name).values[0] for name in ("n_tokens", "stereotype_score"))
    assert lengths is not None and lengths.ci_high is not None
    assert (lengths.value, lengths.ci_low, lengths.interval_method) == (10.0, 0.0, "Student's t")
    assert lengths.ci_high > 70
    assert shares is not None
    assert (shares.value, shares.ci_low, shares.ci_high) == (75.0, 0.0, 100.0)


def test_what_no_seed_changes_keeps_the_interval_of_its_items(db: Path) -> None:
    alone = build_report(db, ["base"], None)
    together = build_report(db, ["base"], None, seeds="together")
    one, all_seeds = (row_of(each, "stereotype_score").values[0] for each in (alone, together))
    assert one is not None and all_seeds is not None
    assert (all_seeds.value, all_seeds.ci_low, all_seeds.n) == (one.value, one.ci_low, one.n)
    assert (all_seeds.spread, all_seeds.seeds) == (0.0, 3)


def test_changes_are_of_means_by_welch_and_of_items_where_no_seed_matters(db: Path) -> None:
    report = build_report(db, ["tuned"], "base", seeds="together")
    assert report.baseline == 0
    change = row_of(report, "n_tokens").changes[1]
    from scipy.stats import ttest_ind

    means = {name: [statistics.mean(each) for each in seeds] for name, seeds in LENGTHS.items()}
    expected = ttest_ind(means["tuned"], means["base"], equal_var=False).confidence_interval()
    assert change is not None
    assert (change.ci_low, change.ci_high) == pytest.approx((expected.low, expected.high))
    assert (change.unit, change.n, change.is_clear) == ("seeds", 6, True)
    p = ttest_ind(means["tuned"], means["base"], equal_var=False).pvalue
    assert change.p_value == pytest.approx(p)
    plain = build_report(db, ["tuned"], "base")
    same = row_of(plain, "stereotype_score").changes[1]
    found = row_of(report, "stereotype_score").changes[1]
    assert same is not None and found is not None
    assert (found.absolute, found.ci_low, found.n) == (same.absolute, same.ci_low, same.n)


def test_one_seed_has_no_spread_and_says_so(db: Path, tmp_path: Path) -> None:
    add_run(tmp_path / "b.db", "base", texts([1.0, 2.0]))
    report = build_report(tmp_path / "b.db", [], None, seeds="together")
    value = row_of(report, "n_tokens").values[0]
    assert value is not None and (value.spread, value.n) == (None, 2)
    assert "one seed here (0)" in report.remarks[0]


def test_every_format_shows_the_spread(db: Path, tmp_path: Path) -> None:
    report = build_report(db, ["base", "tuned"], None, seeds="together")
    for format, suffix in (("terminal", "txt"), ("markdown", "md"), ("html", "html")):
        output = tmp_path / f"a.{suffix}"
        write_report(report, db, format, output)
        assert "21 ± 1" in output.read_text()
    write_report(report, db, "json", tmp_path / "a.json")
    sections = json.loads((tmp_path / "a.json").read_text())["sections"]
    assert sections[0]["rows"][0]["values"][0]["spread"] == pytest.approx(1.0)
    write_report(report, db, "csv", tmp_path / "a.csv")
    assert ",seeds," in (tmp_path / "a.csv").read_text().splitlines()[0]
