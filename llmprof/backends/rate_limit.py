"""Spaces requests so that a provider's quota is used and never exceeded."""

from __future__ import annotations

from aiolimiter import AsyncLimiter

_EARLY_SECONDS = 0.01
_TRANSIT_SECONDS = 0.024


class RateLimit:
    """Lets requests pass evenly, `per_second` (above 0) of them; use one in one event loop.

    Never more than `per_second` arrive in any window of one second, if one request travels at most
    24 ms longer than another. A leaky bucket of rate r and capacity b lets at most b + r·w pass in
    w seconds. With b = 1 + r·10 ms (a request that woke up late does not delay those behind it) and
    w = 1 s + 24 ms, that stays below `per_second` + 1 if r is `per_second` / 1.034: the price of
    the guarantee is 3.3% of the quota.
    """

    def __init__(self, per_second: float) -> None:
        rate = per_second / (1.0 + _EARLY_SECONDS + _TRANSIT_SECONDS)
        capacity = 1.0 + rate * _EARLY_SECONDS
        self._bucket = AsyncLimiter(capacity, capacity / rate)

    async def wait(self) -> None:
        """Return when the next request may be sent."""
        await self._bucket.acquire()
