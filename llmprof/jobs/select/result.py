"""The result of a selection: samples and metrics to store, and lines of the training file."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from llmprof.cache import canonical_json
from llmprof.datasets import Prompt
from llmprof.errors import SelectionError
from llmprof.jobs.select.candidates import Pool, is_spoken, put
from llmprof.jobs.select.choose import Chosen, Coverage, choose, control, eligible
from llmprof.jobs.select.criteria import sample_metrics
from llmprof.jobs.select.job import SelectJob
from llmprof.jobs.select.prepare import COMMAND, SelectSetup, protocol_version
from llmprof.jobs.select.shift import Shift
from llmprof.jobs.select.training_file import FORMATS, PAIRS, Example, Line
from llmprof.metrics.samples import Sample
from llmprof.requests import Message
from llmprof.results import ProfileResult, Work
from llmprof.results.spool import SampleSpool

# Number of prompts whose candidates are compared at once.
_PROMPTS_AT_ONCE = 1_000
_NONE = -1


class CandidatePools:
    """The candidates of each prompt, in the prompts' order; each iteration reads them from disk.

    Each spool holds as many of every prompt as its `counts` say; those of the first come first.
    """

    def __init__(self, spools: Sequence[SampleSpool], counts: Sequence[Sequence[int]]) -> None:
        self._spools = spools
        self._counts = counts

    def __iter__(self) -> Iterator[Pool]:
        streams = [iter(spool) for spool in self._spools]
        for counts in zip(*self._counts, strict=True):
            parts = zip(streams, counts, strict=True)
            yield [sample for stream, count in parts for sample in islice(stream, count)]


@dataclass(frozen=True, slots=True)
class Selection:
    """The selection for each prompt.

    `kept`, `worst` and `drawn`, at random, are indices of candidates per prompt, -1 if there is
    none; `examples` are the positions of prompts with their selection.
    """

    pools: Iterable[Pool]
    kept: Sequence[int]
    worst: Sequence[int]
    drawn: Sequence[int]
    shift: Shift

    @property
    def examples(self) -> Iterator[tuple[int, Chosen]]:
        places = zip(self.pools, self.kept, self.worst, strict=True)
        for position, (pool, kept, worst) in enumerate(places):
            if kept != _NONE:
                yield position, Chosen(pool[kept], pool[worst])


def select(job: SelectJob, pools: Iterable[Pool], labels: Sequence[str]) -> Selection:
    """Select; for pairs, only prompts with a better and a worse completion are kept."""
    kept, worst, random = array("q"), array("q"), array("q")
    shift = Shift(job.choice.target, labels)
    stream = iter(pools)
    coverage = Coverage()
    while some := list(islice(stream, _PROMPTS_AT_ONCE)):
        first = len(kept)
        drawn = control(some, job.choice, first)
        picked = choose(some, job.choice, first, coverage)
        for pool, chosen, chance in zip(some, picked, drawn, strict=True):
            if chosen is not None and job.format in PAIRS and not chosen.is_pair:
                chosen = None
            shift.add(pool, chosen.kept if chosen else None, chance)
            kept.append(_place(pool, chosen.kept) if chosen else _NONE)
            worst.append(_place(pool, chosen.worst) if chosen else _NONE)
            random.append(_NONE if chance is None else _place(pool, chance))
    return Selection(pools, kept, worst, random, shift)


def _place(pool: Pool, sample: Sample) -> int:
    return next(place for place, each in enumerate(pool) if each is sample)


def result_of(
    job: SelectJob, setup: SelectSetup, selection: Selection, work: Work
) -> ProfileResult:
    """All candidates and the metrics.

    Among a candidate's scores, `selected`, `random` (the control) and, for pairs, `rejected` are 1
    or 0.
    """
    dataset = setup.dataset
    return ProfileResult(
        profiler=COMMAND,
        protocol_version=protocol_version(job, setup),
        dataset=dataset.name,
        source=dataset.source,
        sha256=dataset.sha256,
        demonstration=dataset.demonstration,
        n_items=len(dataset.items),
        samples=_marked(selection, paired=job.format in PAIRS),
        metrics=selection.shift.metrics(),
        work=work,
    )


def _marked(selection: Selection, *, paired: bool) -> Iterator[Sample]:
    choices = zip(selection.pools, selection.kept, selection.worst, selection.drawn, strict=True)
    for pool, kept, worst, drawn in choices:
        for place, sample in enumerate(pool):
            marks = {"selected": float(place == kept), "random": float(place == drawn)}
            if paired:
                marks["rejected"] = float(place == worst)
            yield replace(sample, scores={**sample.scores, **marks})


class TrainingLines:
    """The lines of the training file, in the prompts' order; each iteration reads them again."""

    def __init__(
        self, job: SelectJob, setup: SelectSetup, selection: Selection, run_id: str
    ) -> None:
        self._job = job
        self._setup = setup
        self._selection = selection
        self._provenance = _provenance(job, setup, selection.shift.names, run_id)

    def __iter__(self) -> Iterator[Line]:
        write = FORMATS[self._job.format]
        items = self._setup.dataset.items
        for position, chosen in self._selection.examples:
            asked = _messages(self._job, items[position])
            example = Example(items[position].text, asked, chosen.kept, chosen.worst)
            yield write(example, self._provenance)


def lines_of(
    job: SelectJob, setup: SelectSetup, selection: Selection, run_id: str
) -> TrainingLines:
    """The lines of the training file.

    Raises:
        SelectionError: there is none; the message says why.
    """
    if not selection.shift.kept:
        raise SelectionError(_why_nothing(job, selection.pools))
    return TrainingLines(job, setup, selection, run_id)


def lines_of_all(
    job: SelectJob, setup: SelectSetup, pools: Iterable[Pool], run_id: str
) -> Iterator[Line]:
    """A line for every eligible completion, in the order of the prompts."""
    write = FORMATS[job.format]
    able = eligible(list(pools), job.choice)
    found = {name for pool in able for sample in pool for name in sample.scores}
    names = [name for name in sample_metrics() if name in found]
    provenance = _provenance(job, setup, names, run_id)
    for item, pool in zip(setup.dataset.items, able, strict=True):
        for sample in pool:
            yield write(Example(item.text, _messages(job, item), sample, sample), provenance)


def _provenance(
    job: SelectJob, setup: SelectSetup, names: Sequence[str], run_id: str
) -> Callable[[Sample], Line]:
    """A function that describes the origin of a completion, with the same fields for all."""
    backends = {source.label: source.backend for source in setup.sources}
    identities = {label: canonical_json(dict(each.identity)) for label, each in backends.items()}

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


def _why_nothing(job: SelectJob, pools: Iterable[Pool]) -> str:
    made = spoken = valued = met = 0
    errors: set[str] = set()
    target, where = job.choice.target, job.choice.where
    for pool in pools:
        texts = [sample for sample in pool if is_spoken(sample)]
        made += len(pool)
        spoken += len(texts)
        valued += sum(sample.scores.get(target) is not None for sample in texts)
        met += sum(where.met_by([sample.scores for sample in texts])) if where else len(texts)
        errors |= {sample.error_class for sample in pool if sample.error_class}
    if not spoken:
        reasons = ", ".join(sorted(errors)) or "blank"
        why = f"none of {made} completions has any text ({reasons})"
        advice = "check the model's output with `llmprof sql`"
    elif not valued:
        why = f"none of {spoken} completions has a value of {target!r}"
        advice = "choose another --target, or a scorer that supports it"
    elif where is not None and not met:
        why = f"none of {spoken} completions meets --where {where.text!r}"
        advice = "relax --where"
    elif job.format in PAIRS:
        why = "no prompt has two completions with different values"
        advice = "sample more with --k"
    else:
        why = f"no completion both has a value of {target!r} and meets --where"
        advice = "relax --where"
    return f"nothing to write to {job.output}: {why}; {advice}"
