"""Failures of one network request, and the policy for retrying them."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import anyio
import tenacity

T = TypeVar("T")

# Fractions are not in the standard, but in use.
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


class RequestFault(Exception):
    """One request failed; becomes a `Failure` with this `error_class` and message.

    `body` is the parsed body of the server's error response, if it sent one, `status` its HTTP
    status.
    """

    def __init__(self, error_class: str, message: str, body: Any = None) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.body = body
        self.status: int | None = None


class FatalFault(RequestFault):
    """A failure that every other request would have too: wrong key, model or address."""


class PassingFault(RequestFault):
    """A temporary failure: worth another attempt, but not before `retry_after` seconds."""

    def __init__(self, error_class: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(error_class, message)
        self.retry_after = retry_after


class InvalidFault(PassingFault):
    """A complete response with invalid content; another attempt rarely helps."""


class UnreachableFault(PassingFault):
    """No server listens at the address; if that lasts, no request can be answered."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a temporary failure is retried, and how long to wait before each attempt.

    The wait before attempt n + 1 is drawn uniformly from 0 to `first_seconds` · 2^(n-1), at most
    `longest_seconds` (exponential backoff with full jitter), but never shorter than the server's
    `Retry-After`. There is no retry when that is above `patience_seconds`. A server that cannot be
    connected to gets fewer attempts, so that the user hears sooner; a malformed response gets even
    fewer, since the next one is likely to be malformed too. These count failures of their kind.
    """

    attempts: int = 16
    unreachable_attempts: int = 6
    invalid_attempts: int = 3
    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    patience_seconds: float = 600.0

    async def run(
        self, attempt: Callable[[], Awaitable[T]], retrying: Callable[[str, float], None]
    ) -> T:
        """Return the result of the first attempt that succeeds; report each wait to `retrying`.

        Raises:
            RequestFault: the failure of the last attempt.
        """

        retries = tenacity.AsyncRetrying(
            stop=self._stop(),
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._passes),
            before_sleep=lambda state: retrying(_fault(state).error_class, state.upcoming_sleep),
            sleep=anyio.sleep,
            reraise=True,
        )
        return await retries(attempt)

    def run_now(self, attempt: Callable[[], T]) -> T:
        """Like `run`, for a blocking attempt."""
        retries = tenacity.Retrying(
            stop=self._stop(),
            wait=self._wait,
            retry=tenacity.retry_if_exception(self._passes),
            reraise=True,
        )
        return retries(attempt)

    def _stop(self) -> Callable[[tenacity.RetryCallState], bool]:
        """Whether a request failed for the last time, asked after each of its failures."""
        limits = {UnreachableFault: self.unreachable_attempts, InvalidFault: self.invalid_attempts}
        met: Counter[type[PassingFault]] = Counter()

        def stop(state: tenacity.RetryCallState) -> bool:
            kind = type(_fault(state))
            met[kind] += 1
            return state.attempt_number >= self.attempts or met[kind] >= limits.get(
                kind, self.attempts
            )

        return stop

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
        # Requests with the same `Retry-After` must not all be sent at the same moment.
        return max(asked + random.uniform(0.0, self.first_seconds), backoff)


def _fault(state: tenacity.RetryCallState) -> PassingFault:
    error = state.outcome.exception() if state.outcome else None
    assert isinstance(error, PassingFault)
    return error


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """The seconds of a `Retry-After` header (RFC 9110, section 10.2.3); None if unreadable.

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> retry_after_seconds("7", now), retry_after_seconds("Thu, 01 Jan 2026 00:01:00 GMT", now)
    (7.0, 60.0)
    >>> retry_after_seconds("soon", now) is None
    True
    """
    if value is None:
        return None
    try:
        if _SECONDS.fullmatch(value.strip()):
            return float(value)
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
