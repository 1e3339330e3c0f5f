"""Tracks outcomes, progress and failures of a list of requests, and decides when to give up."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import anyio
import anyio.to_thread

from llmprof.errors import BackendError
from llmprof.requests import Answer, Outcome, Toxicity
from llmprof.responses import BLOCKED, Completion, Failure, TokenLogProbs

# If this many first requests are all refused for one reason, the others would be too.
_REFUSALS = 100
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress of a list of requests; `done` counts cached, answered and failed ones.

    `truncated` counts answers whose prompt was cut to fit the model's context, `shortened` answers
    that ended because the context was full, `tokens` the tokens of new completions, `thinking`
    their reasoning tokens; `failures` maps each class of failure to the first message of that
    class, `remarks` likewise the changes made to requests.
    """

    total: int
    done: int = 0
    cached: int = 0
    failed: int = 0
    retries: int = 0
    truncated: int = 0
    tokens: int = 0
    shortened: int = 0
    thinking: int = 0
    failures: Mapping[str, str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)

    def plus(self, other: Progress) -> Progress:
        """The sum of both."""
        return Progress(
            total=self.total + other.total,
            done=self.done + other.done,
            cached=self.cached + other.cached,
            failed=self.failed + other.failed,
            retries=self.retries + other.retries,
            truncated=self.truncated + other.truncated,
            tokens=self.tokens + other.tokens,
            shortened=self.shortened + other.shortened,
            thinking=self.thinking + other.thinking,
            failures={**other.failures, **self.failures},
            remarks={**other.remarks, **self.remarks},
        )


ProgressListener = Callable[[Progress], None]
Receiver = Callable[[int, Answer], Awaitable[None]]
Observer = Callable[[Sequence[tuple[Toxicity, Outcome]]], None]


@dataclass(frozen=True, slots=True)
class Observation:
    """Passes the outcomes of `asked` to the observer."""

    asked: Mapping[str, Toxicity]
    observer: Observer

    async def tell(self, answered: Sequence[tuple[str, Outcome]]) -> None:
        known = [(self.asked[key], outcome) for key, outcome in answered if key in self.asked]
        if known:
            # Shielded from Ctrl-C: answers that have arrived are recorded.
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.observer, known)


class Ledger:
    """Outcomes by key, and the progress of the whole list."""

    def __init__(
        self,
        keys: Sequence[str],
        listener: ProgressListener,
        receiver: Receiver | None,
        observation: Observation | None = None,
    ) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._listener = listener
        self._receiver = receiver
        self._observation = observation
        self._progress = Progress(total=len(keys))
        self._indices: dict[str, list[int]] = {}
        for index, key in enumerate(keys):
            self._indices.setdefault(key, []).append(index)
        self._report()

    async def record(self, answered: Sequence[tuple[str, Outcome]], *, cached: bool) -> None:
        """Count the outcomes, report progress, and pass each outcome to every request for it."""
        answered = [(key, _withheld(outcome)) for key, outcome in answered]
        counts = {key: len(self._indices[key]) for key, _ in answered}
        self.outcomes.update(answered)
        failed = [(key, outcome) for key, outcome in answered if isinstance(outcome, Failure)]
        total = sum(counts.values())
        self._progress = self._progress.plus(
            Progress(
                total=0,
                done=total,
                cached=total if cached else total - len(counts),
                failed=sum(counts[key] for key, _ in failed),
                truncated=sum(counts[key] for key, outcome in answered if _truncated(outcome)),
                shortened=sum(counts[key] for key, outcome in answered if _shortened(outcome)),
                thinking=sum(
                    counts[key] * outcome.thinking_tokens
                    for key, outcome in answered
                    if isinstance(outcome, Completion)
                ),
                tokens=0 if cached else sum(_tokens(outcome) for _, outcome in answered),
                failures={each.error_class: each.message for _, each in reversed(failed)},
                remarks=_remarks(outcome for _, outcome in answered),
            )
        )
        self._report()
        if self._observation is not None:
            await self._observation.tell(answered)
        if self._receiver is not None:
            for key, outcome in answered:
                for index in self._indices[key]:
                    await self._receiver(index, Answer(key, outcome))

    def retried(self) -> None:
        self._progress = replace(self._progress, retries=self._progress.retries + 1)
        self._report()

    def _report(self) -> None:
        self._listener(self._progress)


def _tokens(outcome: Outcome) -> int:
    return (outcome.token_count or 0) if isinstance(outcome, Completion) else 0


def _remarks(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Changes made to requests, by parameter."""
    remarks = {}
    for each in outcomes:
        if isinstance(each, Completion):
            for name in each.dropped:
                remarks[f"Dropped: {name}"] = f"the model takes no {name}; it is not sent"
            if mark := each.details.get("thinking_end"):
                remarks[f"Thinking: {mark}"] = f"the model thinks; its thoughts end with {mark}"
            for name, other in each.renamed.items():
                remarks[f"Renamed: {name}"] = f"the model takes no {name}; {other} is sent instead"
    return remarks


def _withheld(outcome: Outcome) -> Outcome:
    """The outcome; a Failure for a completion without text, which is cached but never scored."""
    if isinstance(outcome, Completion) and outcome.blocked:
        words = outcome.details.get("blocked", BLOCKED)
        return Failure("Blocked", f"the provider withheld the completion: {words}")
    return outcome


def _truncated(outcome: Outcome) -> bool:
    return isinstance(outcome, Completion | TokenLogProbs) and outcome.truncated_tokens > 0


def _shortened(outcome: Outcome) -> bool:
    return isinstance(outcome, Completion) and outcome.shortened


class Refusals:
    """Counts failures until a backend answers for the first time, for each kind of request."""

    def __init__(self) -> None:
        self._decided: set[tuple[str, str]] = set()
        self._alike: dict[tuple[str, str], tuple[tuple[str, str], int]] = {}

    def note(self, backend: str, kind: str, outcome: Outcome) -> None:
        """Count one outcome of a request of this kind.

        Raises:
            BackendError: the first hundred requests all failed for the same reason.
        """
        if (backend, kind) in self._decided:
            return
        if not isinstance(outcome, Failure):
            self._decided.add((backend, kind))
            return
        # Messages with the same reason may differ in counts and times.
        reason = outcome.error_class, _DIGITS.sub("", outcome.message)
        first, count = self._alike.get((backend, kind), (reason, 0))
        if reason != first:
            self._decided.add((backend, kind))
            return
        self._alike[backend, kind] = first, count + 1
        if count + 1 >= _REFUSALS:
            raise BackendError(
                f"backend {backend!r} refused the first {count + 1} {kind} requests, all for the "
                f"same reason ({outcome.error_class}: {outcome.message}); correct that, then run "
                f"the "
                "same command again"
            )
