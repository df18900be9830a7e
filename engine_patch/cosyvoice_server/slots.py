"""The queue in front of the model."""

from __future__ import annotations

import asyncio
import collections

from .errors import ClientGone, EngineError


class Slots:
    """A bounded first-come-first-served queue for the model's capacity. Used in the event loop only."""

    def __init__(self, slots: int, limit: int, timeout: float) -> None:
        self.slots = max(1, slots)
        self.limit = max(0, limit)
        self.running = 0
        self._timeout = timeout
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    async def acquire(self, gone: asyncio.Future[None]) -> None:
        """Take a slot. Raises EngineError `queue_full` or `queue_timeout`; ClientGone once `gone` is done."""
        if self.running < self.slots and not self._waiting:
            self.running += 1
            return
        if len(self._waiting) >= self.limit:
            raise EngineError(503, "queue_full", "The engine is busy and its queue is full. Please try again shortly.")
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        granted = False
        try:
            await asyncio.wait({ticket, gone}, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
            granted = ticket.done() and not gone.done()
        finally:
            if not granted:
                self._give_up(ticket)
        if gone.done():
            raise ClientGone
        if not granted:
            raise EngineError(503, "queue_timeout", "The engine was busy for too long. Please try again shortly.")

    def _give_up(self, ticket: asyncio.Future[None]) -> None:
        if ticket.done():
            self.release()
        else:
            self._waiting.remove(ticket)

    def release(self) -> None:
        """Pass the slot to the longest waiting request."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self.running -= 1
