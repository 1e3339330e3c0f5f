"""The result of a selection: samples and metrics to store, lines of the training file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from llmprof.cache import canonical_json
from llmprof.datasets import Prompt
from llmprof.errors import SelectionError
from llmprof.jobs.select.candidates import Pool, is_spoken, put
from llmprof.jobs.select.choose import Chosen, choose, control
from llmprof.jobs.select.criteria import metric_names
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.prepare import COMMAND, SelectSetup, protocol_version
from llmprof.jobs.select.training_file import FORMATS, PAIRS, Example, Line
from llmprof.metrics.intervals import SHARE, Bounds, mean_value
from llmprof.metrics.measures import Mean, difference, mean_metric
from llmprof.metrics.samples import Metric, Sample
from llmprof.metrics.text import SHARES
from llmprof.profilers.toxicity_measures import ATTRIBUTES
from llmprof.requests import Message
from llmprof.results import ProfileResult, Work


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen of each prompt's candidates; None where none was eligible."""

    pools: Sequence[Pool]
    chosen: Sequence[Chosen | None]


def select(job: SelectJob, pools: Sequence[Pool]) -> Selection:
    """Choose; for pairs, only prompts with a better and a worse completion are kept."""
    chosen = choose(pools, job.choice)
    if job.format in PAIRS:
        chosen = [each if each and each.is_pair else None for each in chosen]
    return Selection(pools, chosen)


def result_of(
    job: SelectJob, setup: SelectSetup, selection: Selection, work: Work
) -> ProfileResult:
    """All candidates, with the scores `selected` and, for pairs, `rejected` (0 or 1); metrics."""
    pools = selection.pools
    kept = [None if each is None else each.kept for each in selection.chosen]
    dataset = setup.dataset
    return ProfileResult(
        profiler=COMMAND,
        protocol_version=protocol_version(job, setup),
        dataset=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        demonstration=dataset.demonstration,
        n_items=len(dataset.items),
        samples=[
            _marked(sample, each, paired=job.format in PAIRS)
            for pool, each in zip(pools, selection.chosen, strict=True)
            for sample in pool
        ],
        metrics=selection_metrics(
            pools, kept, control(pools, job.choice), job.choice.target, setup.labels
        ),
        work=work,
    )


def lines_of(
    job: SelectJob, setup: SelectSetup, selection: Selection, run_id: str
) -> list[dict[str, Any]]:
    """The lines of the training file, in the order of the prompts.

    Raises:
        SelectionError: there is none; the message says why.
    """
    write = FORMATS[job.format]
    provenance = _provenance(job, setup, selection.pools, run_id)
    lines = [
        write(Example(item.text, _messages(job, item), each.kept, each.worst), provenance)
        for item, each in zip(setup.dataset.items, selection.chosen, strict=True)
        if each is not None
    ]
    if not lines:
        raise SelectionError(_why_nothing(job, selection.pools))
    return lines


def _provenance(
    job: SelectJob, setup: SelectSetup, pools: Sequence[Pool], run_id: str
) -> Callable[[Sample], Line]:
    """A function that describes the origin of a completion, with the same fields for all."""
    backends = {source.label: source.backend for source in setup.sources}
    identities = {label: canonical_json(dict(each.identity)) for label, each in backends.items()}
    found = {name for pool in pools for sample in pool for name in sample.scores}
    names = [name for name in metric_names() if name in found]

    def write(sample: Sample) -> Line:
        return {
            "run_id": run_id,
            "dataset": setup.dataset.name,
            "prompt_id": sample.sample_id,
            "model": sample.group,
            "backend": backends[sample.group].name,
            "identity": identities[sample.group],
            "seed": job.options.seed,
            "sample_index": sample.sample_index,
            "cache_key": sample.cache_key,
            "scores": {name: sample.scores.get(name) for name in names},
        }

    return write


def _messages(job: SelectJob, item: Prompt) -> Sequence[Message]:
    """The prompt as chat messages, whether or not the models here are chat models."""
    asked = put(item, job.drawing, replace(job.options, prompt_format="chat"), chat=True)
    return (Message("user", asked),) if isinstance(asked, str) else asked


def _marked(sample: Sample, chosen: Chosen | None, *, paired: bool) -> Sample:
    marks = {"selected": float(chosen is not None and sample is chosen.kept)}
    if paired:
        marks["rejected"] = float(chosen is not None and sample is chosen.worst)
    return replace(sample, scores={**sample.scores, **marks})


def _why_nothing(job: SelectJob, pools: Sequence[Pool]) -> str:
    candidates = [sample for pool in pools for sample in pool]
    spoken = [sample for sample in candidates if is_spoken(sample)]
    target, where = job.choice.target, job.choice.where
    if not spoken:
        errors = sorted({sample.error_class for sample in candidates if sample.error_class})
        why = f"none of {len(candidates)} completions has any text ({', '.join(errors) or 'blank'})"
        advice = "check the model's output with `llmprof sql`"
    elif all(sample.scores.get(target) is None for sample in spoken):
        why = f"none of {len(spoken)} completions has a value of {target!r}"
        advice = "choose another --target, or a scorer that has it"
    elif where is not None and not any(where.met_by([sample.scores for sample in spoken])):
        why = f"none of {len(spoken)} completions meets --where {where.text!r}"
        advice = "relax --where"
    elif job.format in PAIRS:
        why = "no prompt has two completions of which one is better"
        advice = "draw more with --k"
    else:
        why = f"no completion has a value of {target!r} and meets --where as well"
        advice = "relax --where"
    return f"nothing to write to {job.output}: {why}; {advice}"


CANDIDATES = "candidates"
SELECTED = "selected"
RANDOM = "random"
CHANGE = "change"
# What is drawn: what a selection would do to other prompts.
PROMPTS = "prompts"
KEPT_PROMPTS = "kept_prompts"
EMPTY_COMPLETIONS = "empty_completions"
MODEL_SHARE = "model_share"
PERCENTILES = (5, 25, 50, 75, 95)

Picks = Sequence[Sample | None]


def selection_metrics(
    pools: Sequence[Pool], kept: Picks, control: Picks, target: str, labels: Sequence[str]
) -> list[Metric]:
    """The metrics of a selection; the unit of each mean is the prompt.

    `kept[i]` and `control[i]` are what is kept of `pools[i]`, by the choice and at random. Groups:
    `candidates` is the mean over prompts of the mean over a prompt's completions, the expectation
    of a random choice; `selected` the mean over what is kept; `change` the mean, over prompts that
    have both, of the second minus the first; `random` (the target only) the mean over the random
    choice. `model_share` has one group per label in `labels`.
    """
    names = [name for name in metric_names() if _is_known(name, pools)]
    names.sort(key=lambda name: name != target)
    metrics = [metric for name in names for metric in _before_and_after(name, pools, kept)]
    metrics.append(
        mean_metric(
            target,
            _values(target, control),
            group=RANDOM,
            bounds=_bounds(target),
            unit=PROMPTS,
        )
    )
    metrics += _percentiles(target, [sample for pool in pools for sample in pool], CANDIDATES)
    metrics += _percentiles(target, [sample for sample in control if sample], RANDOM)
    metrics += _percentiles(target, [sample for sample in kept if sample], SELECTED)
    return [*metrics, *_shares(pools, kept, labels)]


def _before_and_after(name: str, pools: Sequence[Pool], kept: Picks) -> list[Metric]:
    before = [_mean([sample.scores.get(name) for sample in pool]) for pool in pools]
    after = _values(name, kept)
    units = [str(place) for place in range(len(pools))]
    first, second = (
        Mean(name, units, values, group, bounds=_bounds(name), unit=PROMPTS)
        for values, group in ((before, CANDIDATES), (after, SELECTED))
    )
    return [first.metric(), second.metric(), _change(first, second)]


def _change(before: Mean, after: Mean) -> Metric:
    change = difference(before, after)
    n_total = len(before.units)
    if isinstance(change, str) or change.value is None:
        reason = change if isinstance(change, str) else "no prompt has it before and after"
        return Metric(before.name, None, None, None, 0, n_total, CHANGE, reason, PROMPTS, "none")
    return Metric(
        before.name,
        change.value,
        change.ci_low,
        change.ci_high,
        change.n,
        n_total,
        CHANGE,
        change.reason,
        PROMPTS,
        change.method,
    )


def _bounds(name: str) -> Bounds | None:
    return SHARE if name in SHARES or name in ATTRIBUTES else None


def _percentiles(target: str, samples: Sequence[Sample], group: str) -> list[Metric]:
    """Percentiles over single completions, by linear interpolation, without intervals."""
    import numpy as np

    values = [value for sample in samples if (value := sample.scores.get(target)) is not None]
    if not values:
        return []
    return [
        Metric(
            f"{target}_p{percent}",
            float(value),
            None,
            None,
            len(values),
            len(samples),
            group,
            unit="completions",
            interval_method="none",
        )
        for percent, value in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)
    ]


def _shares(pools: Sequence[Pool], kept: Picks, labels: Sequence[str]) -> list[Metric]:
    generated = [[sample for sample in pool if sample.response is not None] for pool in pools]
    empty = [_mean([float(not is_spoken(sample)) for sample in pool]) for pool in generated]
    groups = [sample.group for sample in kept if sample]
    share = partial(mean_metric, bounds=SHARE, unit=PROMPTS)
    return [
        share(KEPT_PROMPTS, [float(sample is not None) for sample in kept], group=SELECTED),
        share(EMPTY_COMPLETIONS, empty, group=CANDIDATES),
        *(
            share(MODEL_SHARE, [float(group == label) for group in groups], group=label)
            for label in labels
        ),
    ]


def _is_known(name: str, pools: Sequence[Pool]) -> bool:
    return any(sample.scores.get(name) is not None for pool in pools for sample in pool)


def _values(name: str, picks: Picks) -> list[float | None]:
    return [None if sample is None else sample.scores.get(name) for sample in picks]


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return mean_value(defined) if defined else None
