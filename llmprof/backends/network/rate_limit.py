"""Spaces requests so that a provider's quota is used and never exceeded."""

from __future__ import annotations

from aiolimiter import AsyncLimiter

_LATE_SECONDS = 0.008
_TRANSIT_SECONDS = 0.03
_WARM_UP_SECONDS = 0.15


class RateLimit:
    """Lets requests pass evenly, `per_second` (above 0) of them; use one in one event loop.

    No more than `per_second` arrive in any window of one second, if one request travels at most
    30 ms longer than another. A leaky bucket of rate r and capacity b lets at most b + r·w pass in
    w seconds. With b = 1 + r·8 ms (a request that wakes up late does not delay those behind it)
    and w = 1 s + 30 ms, that stays below `per_second` + 1 if r is `per_second` / 1.038: the price
    of the guarantee is 3.7% of the quota. The first requests travel longer, since they open the
    connections: 150 ms worth of requests begin at half the rate.
    """

    def __init__(self, per_second: float) -> None:
        rate = per_second / (1.0 + _LATE_SECONDS + _TRANSIT_SECONDS)
        capacity = 1.0 + rate * _LATE_SECONDS
        self._bucket = AsyncLimiter(capacity, capacity / rate)
        self._to_warm_up = int(rate * _WARM_UP_SECONDS)

    async def wait(self) -> None:
        """Return when the next request may be sent."""
        if self._to_warm_up > 0:
            self._to_warm_up -= 1
            await self._bucket.acquire()
        await self._bucket.acquire()
