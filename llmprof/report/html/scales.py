"""Which way a metric is better, and between which bounds it moves.

Most metrics have no direction, and none is given to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmprof.metrics.samples import OVERALL
from llmprof.report.contents import Row, Section, Value
from llmprof.report.text import coverage, interval, number, with_interval

# Calibration names its metrics by how the options were scored, toxicity by the scorer, and a
# benchmark by the filter that read the answer.
_SCORINGS = ("_raw", "_per_character", "_per_token")
_SUFFIXES = (":", ",")


@dataclass(frozen=True, slots=True)
class Scale:
    """The bounds of a metric, by its definition, and the value that an ideal model would have."""

    low: float
    high: float
    ideal: float
    source: str

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        if self.ideal == self.high:
            return "higher is better"
        if self.ideal == self.low:
            return "lower is better"
        return f"closer to {self.ideal:g} is better"

    @property
    def arrow(self) -> str:
        """Which way is better, in a sign or two."""
        if self.ideal == self.high:
            return "↑"
        return "↓" if self.ideal == self.low else f"→{self.ideal:g}"

    def position(self, value: float) -> float:
        """Where a value stands between the worst that is possible (0) and the ideal (1).

        >>> CROWS_PAIRS.position(50.0), CROWS_PAIRS.position(75.0), CROWS_PAIRS.position(0.0)
        (1.0, 0.5, 0.0)
        """
        return 1 - abs(value - self.ideal) / max(self.ideal - self.low, self.high - self.ideal)

    def positions(self, low: float, high: float) -> tuple[float, float]:
        """The positions that an interval of values covers.

        >>> CROWS_PAIRS.positions(45.0, 60.0)
        (0.8, 1.0)
        """
        ends = self.position(low), self.position(high)
        best = 1.0 if low <= self.ideal <= high else max(ends)
        return min(ends), best


_BBQ = "Parrish et al. 2022, arXiv 2110.08193"
_TOXICITY = "Gehman et al. 2020, arXiv 2009.11462"
_STEREOSET = "Nadeem et al. 2021, arXiv 2004.09456"
_LM_EVAL = "lm-evaluation-harness"
CROWS_PAIRS = Scale(0, 100, 50, "Nangia et al. 2020, arXiv 2010.00133")
_ACCURACY = Scale(0, 1, 1, "share of right answers")
_ERROR = Scale(0, 1, 0, "Guo et al. 2017, arXiv 1706.04599")

SCALES: Mapping[tuple[str, str], Scale] = {
    ("crows_pairs", "stereotype_score"): CROWS_PAIRS,
    ("stereoset", "lms"): Scale(0, 100, 100, _STEREOSET),
    ("stereoset", "ss"): Scale(0, 100, 50, _STEREOSET),
    ("stereoset", "icat"): Scale(0, 100, 100, _STEREOSET),
    # A difference of two means over the standard deviation of both groups is at most 2.
    ("seat", "effect_size"): Scale(-2, 2, 0, "May et al. 2019, arXiv 1903.10561"),
    ("seat", "mean_absolute_effect_size"): Scale(0, 2, 0, "Meade et al. 2022, arXiv 2110.08527"),
    ("bbq", "accuracy"): Scale(0, 100, 100, _BBQ),
    ("bbq", "accuracy_ambig"): Scale(0, 100, 100, _BBQ),
    ("bbq", "accuracy_disambig"): Scale(0, 100, 100, _BBQ),
    ("bbq", "bias_score_ambig"): Scale(-100, 100, 0, _BBQ),
    ("bbq", "bias_score_disambig"): Scale(-100, 100, 0, _BBQ),
    ("calibration", "accuracy"): _ACCURACY,
    ("calibration", "ece_1_bin"): _ERROR,
    ("calibration", "ece_10_bins"): _ERROR,
    ("calibration", "ece_10_bins_equal_width"): _ERROR,
    ("calibration", "brier_score"): Scale(0, 2, 0, "Brier 1950"),
    ("toxicity", "expected_maximum_toxicity"): Scale(0, 1, 0, _TOXICITY),
    ("toxicity", "toxicity_probability"): Scale(0, 1, 0, _TOXICITY),
    ("toxicity", "mean_toxicity"): Scale(0, 1, 0, _TOXICITY),
    ("score", "mean_toxicity"): Scale(0, 1, 0, _TOXICITY),
    ("score", "toxic_texts"): Scale(0, 1, 0, _TOXICITY),
    ("benchmark", "acc"): Scale(0, 1, 1, _LM_EVAL),
    ("benchmark", "acc_norm"): Scale(0, 1, 1, _LM_EVAL),
    ("benchmark", "exact_match"): Scale(0, 1, 1, _LM_EVAL),
    ("benchmark", "f1"): Scale(0, 1, 1, _LM_EVAL),
}


def scale_of(profiler: str, metric: str) -> Scale | None:
    """The scale of a metric; None for one that has no direction, or none that we know.

    >>> scale_of("calibration", "accuracy_per_character").direction
    'higher is better'
    >>> scale_of("textual", "mtld") is None
    True
    """
    stem = metric
    for suffix in _SUFFIXES:
        stem = stem.partition(suffix)[0]
    if profiler == "calibration":
        for scoring in _SCORINGS:
            stem = stem.removesuffix(scoring)
    return SCALES.get((profiler, stem))


# These have no overall: their groups are what is read first.
_WITHOUT_OVERALL = ("mean_absolute_effect_size",)

_WORDS = {
    "lms": "language modelling score",
    "ss": "stereotype score",
    "icat": "ICAT",
    "ece": "ECE",
    "mtld": "MTLD",
    "ambig": "ambiguous",
    "disambig": "disambiguated",
}


def title(section: Section) -> str:
    """Profiler and data set, as a heading; the data set only where it adds something."""
    name = section.profiler
    if section.dataset != section.profiler:
        name += f" on {section.dataset}"
    return f"{name} (demonstration data)" if section.demonstration else name


def readable(metric: str) -> str:
    """A metric's name in words.

    >>> readable("mean_toxicity:perspective"), readable("ss"), readable("ece_1_bin_raw")
    ('mean toxicity: perspective', 'stereotype score', 'ECE 1 bin raw')
    """
    words = metric.replace(":", ": ").split("_")
    return " ".join(_WORDS.get(word, word) for word in words)


def row_name(row: Row) -> str:
    """A row's metric, and its group unless that is all items."""
    return readable(row.metric) + ("" if row.group == OVERALL else f", {row.group}")


def is_summary(row: Row) -> bool:
    """Whether a row stands for its whole section."""
    return row.group == OVERALL or row.metric in _WITHOUT_OVERALL


def described(value: Value, name: str) -> tuple[str, ...]:
    """Lines that say what a value is: its name, the value with its interval, and n."""
    shown = with_interval(number(value.value), _between(value))
    return name, shown, f"n = {coverage(value)}"


def _between(value: Value) -> str:
    ends = interval(value.ci_low, value.ci_high)
    return f"95%: {ends}" if ends else "no interval"
