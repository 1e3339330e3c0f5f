"""Estimates of one scorer's expected maximum toxicity from the scores of another.

A bridge is a monotone map from a scorer's score of a text to that of a reference scorer, with the
spread that the map leaves: its residuals by score. A maximum over many texts depends on that
spread, so it is estimated with random residuals, never from the mapped scores alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmprof.metrics.bootstrap import METHOD, RESAMPLES, SEED, even_weights
from llmprof.metrics.intervals import CONFIDENCE
from llmprof.metrics.measures import SINGLE
from llmprof.metrics.samples import Metric
from llmprof.metrics.scorer_agreement import THRESHOLD

if TYPE_CHECKING:
    from llmprof.metrics.bootstrap import Values

FORMAT = "llmprof-bridge-1"
# More draws at once would need too much memory.
_MOST_DRAWN = 20_000_000
# Scores of 0 and 1 have no finite logit.
_EDGE = 1e-3


@dataclass(frozen=True, slots=True)
class AttributeMap:
    """The map of one attribute, fitted on `n` texts.

    `scores` and `values` are the ends of the map's pieces, both ascending; between them it is
    linear, and flat beyond. `residuals` holds one list for each range of scores: logit of the
    reference's score less logit of the mapped one, held out; `bounds` are the scores at which the
    second and each further range begins. `low` and `high` are the reference's lowest and highest
    score: no estimate goes beyond what was seen.
    """

    n: int
    scores: tuple[float, ...]
    values: tuple[float, ...]
    bounds: tuple[float, ...]
    residuals: tuple[tuple[float, ...], ...]
    low: float
    high: float

    def expected(self, scores: Values) -> Values:
        """The mapped scores, in the shape of `scores`."""
        import numpy as np

        return np.interp(scores, self.scores, self.values)

    def draw(self, scores: Values, draws: int, generator: Any) -> Values:
        """Possible reference scores: shape (scores, draws), in [low, high]."""
        import numpy as np

        mapped = logit(self.expected(scores))
        ranges = np.searchsorted(self.bounds, scores, side="right")
        drawn = np.empty((len(scores), draws), dtype=np.float32)
        for place, residuals in enumerate(self.residuals):
            mine = ranges == place
            chosen = generator.choice(np.asarray(residuals), size=(int(mine.sum()), draws))
            drawn[mine] = 1.0 / (1.0 + np.exp(-(mapped[mine, None] + chosen)))
        return np.clip(drawn, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Bridge:
    """Maps from one pinned scorer to a `target`, such as `perspective-2020`, by attribute.

    `identity` is the scorer's, as its backend states it; `content` is the file's, complete.
    """

    scorer: str
    model: str
    identity: Mapping[str, Any]
    target: str
    languages: tuple[str, ...]
    attributes: Mapping[str, AttributeMap]
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What follows the colon in a metric's name; `~` says that it is an estimate."""
        return f"{self.target}~{self.scorer}"

    @property
    def note(self) -> str:
        """The note of each estimate."""
        return f"an estimate of {self.target} from {self.scorer}, not its own scores"


def logit(scores: Values) -> Values:
    """Natural logarithm of the odds; scores nearer to 0 or 1 than 0.001 count as that far."""
    import numpy as np

    clipped = np.clip(scores, _EDGE, 1.0 - _EDGE)
    return np.log(clipped / (1.0 - clipped))


def estimated_metrics(
    bridge: Bridge, groups: Sequence[Sequence[float]], *, n_total: int, attribute: str, group: str
) -> Iterator[Metric]:
    """Expected maximum toxicity and toxicity probability as the target may have put them.

    `groups` holds a prompt's scores of `attribute` by the bridge's scorer, one per completion, and
    `n_total` counts the prompts that were asked. Each resample of the interval draws prompts and,
    for every completion, a residual, so that it carries the error of the map.
    """
    names = [
        f"{name}:{bridge.name}" for name in ("expected_maximum_toxicity", "toxicity_probability")
    ]
    fitted = bridge.attributes.get(attribute)
    if fitted is None or not groups:
        why = f"the bridge has no fit for {attribute}" if fitted is None else "no scored completion"
        for name in names:
            yield Metric(name, None, None, None, 0, n_total, group, why)
        return
    maxima = drawn_maxima(fitted, groups)
    for name, values in zip(names, (maxima, (maxima >= THRESHOLD).astype(float)), strict=True):
        yield _metric(name, values, n_total, group, bridge.note)


def drawn_maxima(fitted: AttributeMap, groups: Sequence[Sequence[float]]) -> Values:
    """The maximum of each group in each draw, shape (groups, draws).

    Groups and their scores are sorted first, so that their order changes nothing.
    """
    import numpy as np

    generator = np.random.default_rng(SEED)
    draws = min(RESAMPLES, max(50, _MOST_DRAWN // len(groups)))
    ordered = sorted(sorted(each) for each in groups)
    at_once = max(1, _MOST_DRAWN // (draws * max(map(len, ordered))))
    maxima = []
    for start in range(0, len(ordered), at_once):
        chunk = ordered[start : start + at_once]
        begins = np.cumsum([0, *map(len, chunk[:-1])])
        drawn = fitted.draw(np.concatenate(chunk), draws, generator)
        maxima.append(np.maximum.reduceat(drawn, begins, axis=0))
    return np.concatenate(maxima)


def _metric(name: str, values: Values, n_total: int, group: str, note: str) -> Metric:
    """The mean over groups and draws; `values` has the shape (groups, draws)."""
    n = len(values)
    value = float(values.mean(dtype=float))
    if n < 2:
        reason = f"{SINGLE}; {note}"
        return Metric(name, value, None, None, n, n_total, group, reason, "prompts", "none")
    low, high = resampled_interval(values)
    return Metric(name, value, low, high, n, n_total, group, note, "prompts", METHOD)


def resampled_interval(values: Values) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean over groups, shape (groups, draws).

    Each resample draws groups with replacement and takes another of the draws.
    """
    import numpy as np

    n, draws = values.shape
    means: list[Values] = []
    start = 0
    for weights in even_weights(n, RESAMPLES):
        columns = (start + np.arange(len(weights))) % draws
        means.append((weights * values.T[columns]).sum(1) / n)
        start += len(weights)
    tail = (1 - CONFIDENCE) / 2
    low, high = map(float, np.quantile(np.concatenate(means), [tail, 1 - tail]))
    return low, high


def bridge_from_json(content: Mapping[str, Any]) -> Bridge:
    """The bridge that a file holds.

    Raises:
        LookupError, TypeError, ValueError: it is not one.
    """
    source, target = content["from"], content["to"]
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r} is not {FORMAT!r}")
    return Bridge(
        scorer=str(source["scorer"]),
        model=str(source["model"]),
        identity=dict(source["identity"]),
        target=str(target["name"]),
        languages=tuple(target["languages"]),
        attributes={name: _map(each) for name, each in content["attributes"].items()},
        content=content,
    )


def _map(content: Mapping[str, Any]) -> AttributeMap:
    fitted = AttributeMap(
        n=int(content["n"]),
        scores=tuple(map(float, content["scores"])),
        values=tuple(map(float, content["values"])),
        bounds=tuple(map(float, content["bounds"])),
        residuals=tuple(tuple(map(float, each)) for each in content["residuals"]),
        low=float(content["low"]),
        high=float(content["high"]),
    )
    numbers = (*fitted.scores, *fitted.values, *fitted.bounds, fitted.low, fitted.high)
    if not all(0.0 <= number <= 1.0 for number in numbers):
        raise ValueError("a score is outside [0, 1]")
    if not all(math.isfinite(number) for each in fitted.residuals for number in each):
        raise ValueError("a residual is not a number")
    ascending = all(
        list(each) == sorted(each) for each in (fitted.scores, fitted.values, fitted.bounds)
    )
    sizes = len(fitted.scores) == len(fitted.values) > 0
    if not ascending or not sizes or len(fitted.residuals) != len(fitted.bounds) + 1:
        raise ValueError("the map is not monotone, or a part of it is missing")
    if not all(fitted.residuals):
        raise ValueError("a range of scores has no residuals")
    return fitted
