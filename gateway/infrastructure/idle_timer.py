"""A bound on each of a stream's many waits, for the price of one timer in all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

Result = TypeVar("Result")


class IdleTimer:
    """Interrupts a wait that takes too long; ``asyncio.timeout`` would set and clear a timer for every chunk.

    Args:
        seconds: that each wait may take; one is noticed at the latest after twice as long.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[Any] | None = None
        self._since = 0.0
        self._expired = False
        self._timer = self._loop.call_later(seconds, self._look)

    def close(self) -> None:
        """Watch no longer."""
        self._timer.cancel()

    async def wait_for(self, step: Awaitable[Result]) -> Result:
        """The step's result.

        Raises:
            TimeoutError: it took too long and was cancelled.
        """
        task = self._waiting = asyncio.current_task()
        self._since = self._loop.time()
        try:
            return await step
        except asyncio.CancelledError:
            # Somebody else may want the task to end as well.
            if self._expired and task is not None and task.uncancel() == 0:
                raise TimeoutError(f"nothing came for {self._seconds:g} s") from None
            raise
        finally:
            self._waiting = None

    def _look(self) -> None:
        left = self._since + self._seconds - self._loop.time() if self._waiting else self._seconds
        if self._waiting is not None and left <= 0:
            self._expired = True
            self._waiting.cancel()
            return
        self._timer = self._loop.call_later(left, self._look)
