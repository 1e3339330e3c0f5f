"""What can go wrong with one request, and how long to wait before it is asked again."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import anyio
import tenacity

T = TypeVar("T")


class RequestFault(Exception):
    """One request got no answer; becomes a `Failure` with this `error_class` and message.

    `body` is what the server said, parsed, where it said something.
    """

    def __init__(self, error_class: str, message: str, body: Any = None) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.body = body


class FatalFault(RequestFault):
    """A fault that every other request would meet too: the key, the model or the address."""


class PassingFault(RequestFault):
    """A fault that may be gone at the next attempt, not before `retry_after` seconds."""

    def __init__(self, error_class: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(error_class, message)
        self.retry_after = retry_after


class UnreachableFault(PassingFault):
    """Nobody listens there; when that does not pass, no request at all can be answered."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a passing fault is waited out.

    The wait before attempt n + 1 is drawn uniformly from 0 to `first_seconds` · 2^(n-1), at most
    `longest_seconds` (exponential backoff with full jitter), but never shorter than the server
    asks for; one that asks for more than `patience_seconds` is not asked again. A server that
    nobody can connect to gets fewer attempts: the user is better told.
    """

    attempts: int = 16
    unreachable_attempts: int = 6
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    patience_seconds: float = 600.0

    async def run(
        self, attempt: Callable[[], Awaitable[T]], retrying: Callable[[str, float], None]
    ) -> T:
        """The first attempt that succeeds; `retrying` hears of each fault and wait.

        Raises:
            RequestFault: the last attempt's.
        """

        retries = tenacity.AsyncRetrying(
            stop=self._stop,
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._passes),
            before_sleep=lambda state: retrying(_fault(state).error_class, state.upcoming_sleep),
            sleep=anyio.sleep,
            reraise=True,
        )
        return await retries(attempt)

    def run_now(self, attempt: Callable[[], T]) -> T:
        """As `run`, for an attempt that blocks."""
        retries = tenacity.Retrying(
            stop=self._stop,
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._passes),
            reraise=True,
        )
        return retries(attempt)

    def _stop(self, state: tenacity.RetryCallState) -> bool:
        unreachable = isinstance(_fault(state), UnreachableFault)
        return state.attempt_number >= (self.unreachable_attempts if unreachable else self.attempts)

    def _passes(self, error: BaseException) -> bool:
        return (
            isinstance(error, PassingFault) and (error.retry_after or 0.0) <= self.patience_seconds
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        longest = min(self.first_seconds * 2 ** (state.attempt_number - 1), self.longest_seconds)
        backoff = random.uniform(0.0, longest)
        asked = _fault(state).retry_after
        if asked is None:
            return backoff
        # Those who were told the same moment do not all come back in it.
        return max(asked + random.uniform(0.0, self.first_seconds), backoff)


def _fault(state: tenacity.RetryCallState) -> PassingFault:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, PassingFault)
    return error


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, section 10.2.3); None if unreadable.

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> retry_after_seconds("7", now), retry_after_seconds("Thu, 01 Jan 2026 00:01:00 GMT", now)
    (7.0, 60.0)
    """
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
