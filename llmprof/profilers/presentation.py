"""How reports show a profile: directions of metrics, charts, samples and texts.

All of it is data, so that a profile from another package is shown like a built-in one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

# A metric's name may have a suffix: its scorer after a colon, as in `mean_toxicity:perspective`, or
# its filter after a comma, as in `exact_match,strict-match`.
_MADE_BY = (":", ",")


@dataclass(frozen=True, slots=True)
class Scale:
    """The bounds of a metric, by its definition, and the value of an ideal model.

    A bound may be infinite, and the ideal with it: `Scale(0, math.inf, 0, ...)` is a perplexity.
    `source` is the publication that defines it.
    """

    low: float
    high: float
    ideal: float
    source: str

    @property
    def is_bounded(self) -> bool:
        """Whether both bounds are finite, so that values have a position between them."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    @property
    def direction(self) -> str:
        """The better direction, in words."""
        if self.ideal == self.high:
            return "higher is better"
        if self.ideal == self.low:
            return "lower is better"
        return f"closer to {self.ideal:g} is better"

    @property
    def arrow(self) -> str:
        """The better direction, as a sign.

        >>> Scale(0, 100, 50, "").arrow, Scale(0, 1, 1, "").arrow
        ('→50', '↑')
        """
        if self.ideal == self.high:
            return "↑"
        return "↓" if self.ideal == self.low else f"→{self.ideal:g}"

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` is closer to the ideal."""
        if math.isinf(self.ideal):
            return value > than if self.ideal > 0 else value < than
        return abs(value - self.ideal) < abs(than - self.ideal)

    def position(self, value: float) -> float:
        """Place of a value between the worst possible (0) and the ideal (1); needs finite bounds.

        >>> scale = Scale(0, 100, 50, "")
        >>> scale.position(50.0), scale.position(75.0), scale.position(0.0)
        (1.0, 0.5, 0.0)
        """
        return 1 - abs(value - self.ideal) / max(self.ideal - self.low, self.high - self.ideal)

    def positions(self, low: float, high: float) -> tuple[float, float]:
        """The lowest and the highest position of the values from `low` to `high`.

        >>> Scale(0, 100, 50, "").positions(45.0, 60.0)
        (0.8, 1.0)
        """
        ends = self.position(low), self.position(high)
        best = 1.0 if low <= self.ideal <= high else max(ends)
        return min(ends), best

    def directed(self, *, higher_is_better: bool) -> Scale:
        """The same bounds with the ideal at the upper or at the lower one."""
        ideal = self.high if higher_is_better else self.low
        return Scale(self.low, self.high, ideal, self.source)


@dataclass(frozen=True, slots=True)
class GroupChart:
    """A dot plot of one metric in each of its groups.

    `metric` is a name without scorer or variant; `prefix` selects the groups whose names begin
    with it. `p_value` names a metric: signs are filled where it is below 0.05. `wide` asks for the
    whole width of the page.
    """

    title: str
    metric: str
    note: str = "Lines are 95% intervals."
    prefix: str = ""
    p_value: str | None = None
    wide: bool = False


@dataclass(frozen=True, slots=True)
class DistributionChart:
    """A histogram of one score of the samples, in percent of each run's samples.

    With `highest_per_item`, only the highest score of each item counts. `bounds` are the ends of
    the axis, by default the 1st and 99th percentile; `reference` is a value to mark.
    """

    title: str
    score: str
    axis: str
    highest_per_item: bool = False
    bounds: tuple[float, float] | None = None
    reference: float | None = None


@dataclass(frozen=True, slots=True)
class ReliabilityChart:
    """A reliability diagram: accuracy against confidence, one point for each group.

    Both are names of metrics without variant; there is a diagram for each variant. Tables leave
    these metrics out.
    """

    confidence: str
    accuracy: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ChoiceChart:
    """A histogram of one score, of all samples and of those that were chosen in each way.

    The score is the one that a run's configuration names as `option`. `choices` maps a score that
    is 1 for what was chosen to its name in the chart.
    """

    title: str
    option: str
    choices: Mapping[str, str]


ProfileChart: TypeAlias = GroupChart | DistributionChart | ReliabilityChart | ChoiceChart


def _unranked(scores: Mapping[str, float | None]) -> float | None:
    return None


def _unchanged(response: str) -> str:
    return response


@dataclass(frozen=True, slots=True)
class SampleView:
    """How samples are shown, and in which order.

    `prompt` and `response` are the headings of a sample's two texts. `rank` gives each sample a
    number, from its scores: the highest comes first, None last; `order` says the same in words.
    `text` makes the response readable.
    """

    prompt: str = "Prompt"
    response: str = "Response"
    rank: Callable[[Mapping[str, float | None]], float | None] = _unranked
    order: str = "in the order of the data"
    text: Callable[[str], str] = _unchanged


@dataclass(frozen=True, slots=True)
class Translations:
    """Data sets that hold the same items in several languages, under the same ids.

    `languages` maps the name of each to its language, `title` is what they are together. `alike`
    names the scores that say which item it is: two items of one id are the same only where these
    are equal.
    """

    title: str
    languages: Mapping[str, str]
    alike: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Presentation:
    """Everything that reports need to know about a profile except its numbers.

    Attributes:
        title: The profile's name in headings; its plain name when empty.
        about: What is measured, in one sentence without a full stop.
        topic: Heading of its charts, which profiles may share; the title when empty.
        scales: Bounds and ideal of each metric that has a direction, by the metric's name without
            scorer or variant.
        variants: Endings of metrics that come in several variants, such as `_raw`, in words.
        words: Parts of metrics' names, between underscores, and what they stand for.
        summaries: Metrics that have no overall value, and whose groups represent the data set.
        highlights: Metrics without a direction that the chart of changes shows.
        charts: Its own charts, in addition to overview and changes, which are derived from the
            scales.
        samples: How its samples are shown.
        translations: Its data sets that are the same in several languages, which reports compare.
    """

    title: str = ""
    about: str = ""
    topic: str = ""
    scales: Mapping[str, Scale] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    summaries: Sequence[str] = ()
    highlights: Sequence[str] = ()
    charts: Sequence[ProfileChart] = ()
    samples: SampleView = field(default_factory=SampleView)
    translations: Sequence[Translations] = ()

    def stem(self, metric: str) -> str:
        """A metric's name without its scorer, filter and variant.

        >>> Presentation(variants={"_raw": "raw"}).stem("accuracy_raw")
        'accuracy'
        >>> Presentation().stem("mean_toxicity:perspective")
        'mean_toxicity'
        """
        for separator in _MADE_BY:
            metric = metric.partition(separator)[0]
        for ending in self.variants:
            metric = metric.removesuffix(ending)
        return metric

    def scale(self, metric: str) -> Scale | None:
        """The scale of a metric; None for one that has no direction."""
        return self.scales.get(self.stem(metric))

    def label(self, metric: str) -> str:
        """A metric's name in words.

        >>> Presentation(words={"ss": "stereotype score"}).label("ss")
        'stereotype score'
        >>> Presentation().label("mean_toxicity:perspective")
        'mean toxicity: perspective'
        """
        parts = metric.replace(":", ": ").split("_")
        return " ".join(self.words.get(part, part) for part in parts)

    def is_point(self, metric: str) -> bool:
        """Whether a metric is a coordinate of a diagram, to be drawn and not to be listed."""
        stem = self.stem(metric)
        return any(
            stem in (chart.confidence, chart.accuracy)
            for chart in self.charts
            if isinstance(chart, ReliabilityChart)
        )
