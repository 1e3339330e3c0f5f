"""Fits a bridge from a pinned scorer to a vintage of another, and reads bridges from files."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmprof.backends import Backend
from llmprof.datasets.files import parse_json
from llmprof.errors import (
    DISTRIBUTION,
    DataError,
    UsageError,
    install_extra,
    require,
)
from llmprof.jobs.references import (
    Reference,
    ScoredPair,
    ask_scorer,
    combined,
    load_references,
    reference_files,
)
from llmprof.jobs.unread import check_scorer_options
from llmprof.jobs.windows import Listener
from llmprof.metrics.bridge_estimates import (
    FORMAT,
    AttributeMap,
    Bridge,
    bridge_from_json,
    drawn_maxima,
    logit,
    resampled_interval,
)
from llmprof.options import (
    BridgeOptions,
    DataOptions,
    ScorerChoice,
    cache_folder,
    data_options,
    named_scorer,
    names_in,
)
from llmprof.outputs import check_output, write_output

if TYPE_CHECKING:
    from llmprof.metrics.bootstrap import Values

FEWEST_TEXTS = 100
GROUP_SIZE = 25
SPLITS = 100
_FOLDS = 10
# Small enough that scores within one range differ by their residuals, hardly by the map.
_TEXTS_PER_RANGE = 25
_MOST_RANGES = 50
_MOST_RESIDUALS = 200
_DIGITS = 5
SHIPPED = "builtin"
_SHIPPED_FILE = Path(__file__).parent.parent / "backends" / "toxicity" / "profanity_bridge.json"


@dataclass(frozen=True, slots=True)
class BridgeJob:
    """The options of one `llmprof bridge fit`."""

    scorer: ScorerChoice
    references: tuple[str, ...]
    data: DataOptions
    output: Path
    cache_dir: Path
    licence: str | None = None


def bridge_job(options: BridgeOptions, configured: Collection[str] = ()) -> BridgeJob:
    """The job that a user asks for; `configured` names options from a configuration file.

    Raises:
        UsageError: no reference is named, or an option belongs to another scorer.
    """
    cache_dir = cache_folder(options.cache_dir)
    scorer = named_scorer(options.scorer, options, cache_dir)
    check_scorer_options(scorer, options, configured)
    return BridgeJob(
        scorer=scorer,
        references=names_in(options.reference, "--reference"),
        data=data_options(options),
        output=options.output,
        cache_dir=cache_dir,
        licence=options.licence,
    )


def fit_bridge(job: BridgeJob, listener: Listener) -> Bridge:
    """Fit a bridge, write its file, and return its content.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
        DataError: a reference is broken, or has too few texts.
        OutputError: the file cannot be written.
        LlmprofError: the scorer cannot be created or used.
    """
    _need_sklearn()
    inputs = [*reference_files(job.references, job.data), *job.scorer.files]
    check_output(job.output, inputs=inputs)
    reference = combined(load_references(job.references, job.data))
    scorer, (pairs,) = ask_scorer(job.scorer, [reference], job.cache_dir, listener)
    content = bridge_content(scorer, reference, pairs, job.licence)
    write_output(job.output, json.dumps(content, indent=1) + "\n", inputs=inputs)
    return bridge_from_json(content)


def bridge_content(
    scorer: Backend,
    reference: Reference,
    pairs: Mapping[str, Sequence[ScoredPair]],
    licence: str | None = None,
) -> dict[str, Any]:
    """The content of a bridge's file; `pairs` are the scores of both sides by attribute.

    Raises:
        DataError: no attribute has enough texts.
    """
    enough = {name: each for name, each in pairs.items() if len(each) >= FEWEST_TEXTS}
    if not enough:
        most = max(map(len, pairs.values()), default=0)
        raise DataError(
            f"{reference.name}: {most} texts with both scores of an attribute; a bridge needs "
            f"{FEWEST_TEXTS} or more"
        )
    return {
        "format": FORMAT,
        "from": {
            "scorer": scorer.name,
            "model": scorer.model,
            "identity": json.loads(json.dumps(dict(scorer.identity))),
        },
        "to": {"name": reference.name, "languages": list(reference.languages)},
        "reference": {
            "files": [{"name": name, "sha256": sha256} for name, sha256 in reference.files],
            "licence": licence or reference.licence,
        },
        "made_with": {
            "llmprof": version(DISTRIBUTION),
            "scikit-learn": version("scikit-learn"),
        },
        "attributes": {name: _attribute(each) for name, each in enough.items()},
    }


def _attribute(pairs: Sequence[ScoredPair]) -> dict[str, Any]:
    import numpy as np

    scores = np.asarray([pair.score for pair in pairs])
    reference = np.asarray([pair.reference for pair in pairs])
    fitted = fit_map(scores, reference)
    held_out = held_out_coverage(scores, reference)
    return {
        "n": fitted.n,
        "scores": _rounded(fitted.scores),
        "values": _rounded(fitted.values),
        "bounds": _rounded(fitted.bounds),
        "residuals": [_rounded(each) for each in fitted.residuals],
        "low": fitted.low,
        "high": fitted.high,
        "held_out": None if held_out is None else held_out.summary(),
    }


def fit_map(scores: Values, reference: Values, seed: int = 0) -> AttributeMap:
    """Isotonic regression of the reference's scores on the scorer's; both in [0, 1], shape (n,).

    The residuals are those of ten-fold cross-validation: each text's is from a map that was fitted
    without it. They are kept by score, in ranges of 25 texts or more.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    order = generator.permutation(len(scores))
    predicted = np.empty(len(scores))
    for fold in range(_FOLDS):
        held = order[fold::_FOLDS]
        rest = np.setdiff1d(order, held)
        predicted[held] = _isotonic(scores[rest], reference[rest]).predict(scores[held])
    left = logit(reference) - logit(predicted)
    by_score = np.argsort(scores, kind="stable")
    ranges = min(_MOST_RANGES, max(1, len(scores) // _TEXTS_PER_RANGE))
    parts = np.array_split(by_score, ranges)
    fitted = _isotonic(scores, reference)
    return AttributeMap(
        n=len(scores),
        scores=tuple(fitted.X_thresholds_.tolist()),
        values=tuple(fitted.y_thresholds_.tolist()),
        bounds=tuple(float(scores[part[0]]) for part in parts[1:]),
        residuals=tuple(_thinned(np.sort(left[part])) for part in parts),
        low=float(reference.min()),
        high=float(reference.max()),
    )


def _isotonic(scores: Values, reference: Values) -> Any:
    from sklearn.isotonic import IsotonicRegression

    return IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, reference)


def _thinned(residuals: Values) -> tuple[float, ...]:
    """All residuals, sorted; if there are very many, evenly spaced ones from the lowest to the
    highest."""
    import numpy as np

    kept = min(len(residuals), _MOST_RESIDUALS)
    places = np.linspace(0, len(residuals) - 1, kept).round().astype(int)
    return tuple(residuals[places].tolist())


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(value, _DIGITS) for value in values]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How often the true EMT of held-out texts was in the interval of a bridge.

    `within` of `splits` with residuals, `within_without_residuals` with the map only; `mean_error`
    is the error of the estimate, `width` that of the interval, both means over splits.
    """

    splits: int
    group_size: int
    within: int
    within_without_residuals: int
    mean_error: float
    width: float

    def summary(self) -> dict[str, Any]:
        """The values as stored in the bridge's file."""
        return {
            "splits": self.splits,
            "group_size": self.group_size,
            "within": self.within,
            "within_without_residuals": self.within_without_residuals,
            "mean_error": round(self.mean_error, _DIGITS),
            "width": round(self.width, _DIGITS),
        }


def held_out_coverage(
    scores: Values, reference: Values, *, splits: int = SPLITS, group_size: int = GROUP_SIZE
) -> HeldOut | None:
    """Fit on a random half of the texts and estimate the EMT of the other half, in groups.

    None if a half has fewer than `FEWEST_TEXTS`.
    """
    import numpy as np

    if len(scores) < 2 * FEWEST_TEXTS:
        return None
    within = without = 0
    errors, widths = [], []
    for split in range(splits):
        order = np.random.default_rng(split).permutation(len(scores))
        half = len(scores) // 2
        groups = (len(scores) - half) // group_size
        seen, unseen = order[:half], order[half : half + groups * group_size]
        fitted = fit_map(scores[seen], reference[seen], seed=split)
        asked = scores[unseen].reshape(groups, group_size)
        true = float(reference[unseen].reshape(groups, group_size).max(1).mean())
        maxima = drawn_maxima(fitted, asked.tolist())
        low, high = resampled_interval(maxima)
        within += low <= true <= high
        mapped = fitted.expected(asked).max(1)
        flat_low, flat_high = resampled_interval(mapped[:, None])
        without += flat_low <= true <= flat_high
        errors.append(float(maxima.mean(dtype=float)) - true)
        widths.append(high - low)
    return HeldOut(
        splits, group_size, within, without, float(np.mean(errors)), float(np.mean(widths))
    )


def read_bridge(name: str | Path) -> Bridge:
    """The bridge in a file; `builtin` is the one for `profanity` that comes with llmprof.

    Raises:
        UsageError: the file cannot be read, or is not a bridge.
    """
    path = _SHIPPED_FILE if str(name) == SHIPPED else Path(name).expanduser()
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
        return bridge_from_json(content)
    except OSError as error:
        raise UsageError(
            f"cannot read bridge {path}: {error.strerror}; make one with `llmprof bridge fit`"
        ) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a bridge ({error}); make one with `llmprof bridge fit`"
        ) from error


def bridges_for(
    names: Sequence[str],
    scorers: Mapping[str, Backend],
    attributes: Sequence[str],
    languages: Sequence[str],
) -> Iterator[tuple[str, Bridge]]:
    """Each bridge with the name of the scorer that it maps from.

    `attributes` are those requested from the scorers, `languages` those of the texts.

    Raises:
        UsageError: a bridge fits no scorer of this run, its language or its attributes.
    """
    for name in names:
        bridge = read_bridge(name)
        label = _start(bridge, scorers, name)
        if bridge.languages and not set(languages) <= set(bridge.languages):
            raise UsageError(
                f"bridge {name} is for texts in {', '.join(bridge.languages)}, and these are in "
                f"{', '.join(languages)}; fit a bridge on texts in that language"
            )
        if not set(attributes) & set(bridge.attributes):
            raise UsageError(
                f"bridge {name} has no fit for any of the requested attributes; it has: "
                f"{', '.join(bridge.attributes)}"
            )
        yield label, bridge


def _start(bridge: Bridge, scorers: Mapping[str, Backend], name: str) -> str:
    """The scorer with the identity that the bridge was fitted on."""
    for label, scorer in scorers.items():
        if scorer.name != bridge.scorer:
            continue
        given = json.loads(json.dumps(dict(scorer.identity)))
        differing = sorted(
            key
            for key in given.keys() | bridge.identity.keys()
            if given.get(key) != bridge.identity.get(key)
        )
        if not differing:
            return label
        key = differing[0]
        raise UsageError(
            f"bridge {name} is for {bridge.model} with {key} {bridge.identity.get(key)}, and this "
            f"scorer has {given.get(key)}; use that one, or fit a bridge for this one"
        )
    raise UsageError(
        f"bridge {name} is for the scorer {bridge.scorer!r}, which is not among: "
        f"{', '.join(scorer.name for scorer in scorers.values())}"
    )


def _need_sklearn() -> None:
    require("sklearn", "fitting a bridge", install_extra("bridge"))
