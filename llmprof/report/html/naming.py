"""Names of sections, metrics and values in words."""

from __future__ import annotations

from llmprof.metrics.samples import OVERALL
from llmprof.report.contents import Row, Section, Value
from llmprof.report.numbers import coverage, interval, number, with_interval

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
