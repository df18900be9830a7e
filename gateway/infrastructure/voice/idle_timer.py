"""A time limit for each of a stream's many waits with a single timer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

Result = TypeVar("Result")


class IdleTimer:
    """Interrupts a wait that takes too long; ``asyncio.timeout`` would set and clear a timer for every chunk.

    Args:
        seconds: limit of each wait; exceeding it is noticed after at most twice this time.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Task[Any] | None = None
        self._since = 0.0
        self._expired = False
        self._timer = self._loop.call_later(seconds, self._check)

    def close(self) -> None:
        """Stop watching."""
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
            # Someone else may have cancelled the task as well.
            if self._expired and task is not None and task.uncancel() == 0:
                raise TimeoutError(f"nothing arrived for {self._seconds:g} s") from None
            raise
        finally:
            self._waiting = None

    def _check(self) -> None:
        left = self._since + self._seconds - self._loop.time() if self._waiting else self._seconds
        if self._waiting is not None and left <= 0:
            self._expired = True
            self._waiting.cancel()
            return
        self._timer = self._loop.call_later(left, self._check)
