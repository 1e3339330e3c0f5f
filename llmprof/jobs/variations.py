"""One profile in several variations: other wordings of its prompts, other seeds, several scorers.

A variation is a run like any other. `llmprof variance` divides a metric's variance among them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import product

from llmprof.backends import create_backend
from llmprof.errors import UsageError
from llmprof.jobs.profile import ProfileJob, profile_job
from llmprof.options import ProfileOptions, names_in

WORDING, SEED, SCORER = "prompt-format", "seed", "scorer"
_FACTORS = (WORDING, SEED, SCORER)
_FORMATS = ("chat", "completion", "paper")
_SEEDS = 3


def varied_jobs(options: ProfileOptions, configured: Collection[str] = ()) -> list[ProfileJob]:
    """The job that is asked for, once for each combination of what `options.vary` names.

    Without values of their own, wordings are all that the model takes, and seeds the given one and
    the two after it. Several scorers score in one run.

    Raises:
        UsageError: a factor is not known, is named twice or has a value that it cannot have.
        LlmprofError: see `profile_job`.
    """
    assert options.vary is not None
    wanted = dict(_factors(options.vary))
    plain = profile_job(options, configured)
    if SCORER in wanted:
        _check_scorers(options, wanted[SCORER])
    formats = _formats(plain, wanted.get(WORDING))
    seeds = _seeds(options, wanted.get(SEED))
    jobs = []
    for prompt_format, seed in product(formats, seeds):
        job = profile_job(replace(options, prompt_format=prompt_format, seed=seed), configured)
        words = f"prompt format {prompt_format}, seed {seed}"
        jobs.append(replace(job, variation=words))
    return jobs


def _factors(vary: str | Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each factor with the values that are given for it, such as `seed=0:1:2`."""
    seen: set[str] = set()
    for word in names_in(vary, "--vary"):
        name, equals, values = word.partition("=")
        given = tuple(values.split(":")) if equals else ()
        if name not in _FACTORS:
            raise UsageError(f"--vary {word}: name {', '.join(_FACTORS[:-1])} or {SCORER}")
        if name in seen or len(set(given)) < len(given) or "" in given:
            raise UsageError(f"--vary {word}: name each factor, and each of its values, once")
        seen.add(name)
        yield name, given


def _formats(job: ProfileJob, given: tuple[str, ...] | None) -> tuple[str, ...]:
    if given is None:
        return (job.options.prompt_format,)
    if unknown := sorted(set(given) - set(_FORMATS)):
        raise UsageError(f"--vary {WORDING}={unknown[0]}: choose of {', '.join(_FORMATS)}")
    if job.texts is not None:
        raise UsageError(f"--vary {WORDING}: texts of a file are not asked for; remove it")
    if given:
        return given
    chat = create_backend(job.backend, job.backend_options).chat
    return _FORMATS if chat else _FORMATS[1:]


def _seeds(options: ProfileOptions, given: tuple[str, ...] | None) -> tuple[int, ...]:
    if given is None:
        return (options.seed,)
    if not all(each.isdecimal() and each.isascii() for each in given):
        raise UsageError(f"--vary {SEED}={':'.join(given)}: give whole numbers, such as seed=0:1:2")
    return tuple(map(int, given)) or tuple(range(options.seed, options.seed + _SEEDS))


def _check_scorers(options: ProfileOptions, given: tuple[str, ...]) -> None:
    named = options.toxicity_scorer
    several = () if named is None else names_in(named, "--toxicity-scorer")
    if given or len(several) < 2:
        raise UsageError(
            f"--vary {SCORER}: name two scorers or more with --toxicity-scorer A,B; they score the "
            "same texts in one run"
        )
