"""Limits the request rate of one device or one address."""

from __future__ import annotations

import hashlib
import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gateway.domain.errors import rate_limited


class RateLimiter:
    """Counts requests per key over a sliding minute, in constant memory per key.

    Args:
        per_minute: allowed requests per key; 0 allows all.
    """

    def __init__(self, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute) if per_minute else None
        self._window = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def check(self, key: str) -> None:
        """Count one request of the key.

        Raises:
            GatewayError: ``rate_limited`` (503 with the seconds to wait).
        """
        if self._item is None:
            return
        # Keys come from clients; a digest limits their length.
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        if await self._window.hit(self._item, digest):
            return
        reset_at, _ = await self._window.get_window_stats(self._item, digest)
        raise rate_limited(max(1, math.ceil(reset_at - time.time())))
