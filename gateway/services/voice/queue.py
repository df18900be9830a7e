"""The engine's slots, shared fairly: devices take turns, each device's own requests stay in order."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Self

from gateway.domain.voice.engine import queue_timeout, speech_queue_full


class Slot:
    """A slot at the engine, held until the end of its block or until ``leave``.

    Attributes:
        waited: seconds that it took to get it.
    """

    def __init__(self, acquire: Callable[[], Awaitable[None]], release: Callable[[], None]) -> None:
        self._acquire = acquire
        self._release = release
        self._held = False
        self.waited = 0.0

    async def __aenter__(self) -> Self:
        started = time.monotonic()
        await self._acquire()
        self._held = True
        self.waited = time.monotonic() - started
        return self

    async def __aexit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Release the slot, if that has not happened yet."""
        if self._held:
            self._held = False
            self._release()


class FairQueue:
    """At most ``slots`` holders at once; at most ``size`` wait, and none longer than ``timeout``.

    The waiting places are shared as fairly as the turns: when all are taken, a device that has few gets one from the
    device that has the most.

    Args:
        slots: concurrent holders.
        size: maximum number of waiting requests.
        timeout: seconds that a request may wait.
        on_change: called with the number of waiting requests whenever it changes.
    """

    def __init__(
        self, *, slots: int, size: int, timeout: float, on_change: Callable[[int], None] = lambda _: None
    ) -> None:
        self._free = slots
        self._size = size
        self._timeout = timeout
        self._on_change = on_change
        # Devices in the order of their turns; each with its waiting requests, oldest first.
        self._turns: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """The number of waiting requests."""
        return self._waiting

    def slot(self, device_id: str) -> Slot:
        """A slot at the engine, for use with ``async with``.

        Raises:
            GatewayError: ``queue_full``, at once or when others need the place, or ``queue_timeout`` (all 503).
        """
        return Slot(partial(self._acquire, device_id), self._release)

    async def _acquire(self, device_id: str) -> None:
        if self._free:
            self._free -= 1
            return
        if self._waiting >= self._size:
            self._make_room(device_id)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns.setdefault(device_id, deque()).append(turn)
        self._count(1)
        try:
            async with asyncio.timeout(self._timeout):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The slot was granted at the same moment: pass it on.
                self._release()
            else:
                self._leave(device_id, turn)
            if isinstance(error, TimeoutError):
                raise queue_timeout() from error
            raise

    def _make_room(self, device_id: str) -> None:
        """Reject the newest request of the device with the most, if that leaves it no worse off than this one.

        Raises:
            GatewayError: ``queue_full``.
        """
        greediest = max(self._turns, key=lambda device: len(self._turns[device]), default=device_id)
        theirs, ours = (len(self._turns.get(device, ())) for device in (greediest, device_id))
        if theirs <= ours + 1:
            raise speech_queue_full()
        newest = self._turns[greediest][-1]
        self._leave(greediest, newest)
        if not newest.done():
            newest.set_exception(speech_queue_full())

    def _leave(self, device_id: str, turn: asyncio.Future[None]) -> None:
        waiting = self._turns.get(device_id)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            self._count(-1)
            if not waiting:
                del self._turns[device_id]

    def _release(self) -> None:
        while self._turns:
            device_id, waiting = next(iter(self._turns.items()))
            turn = waiting.popleft()
            self._count(-1)
            if waiting:
                self._turns.move_to_end(device_id)
            else:
                del self._turns[device_id]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def _count(self, change: int) -> None:
        self._waiting += change
        self._on_change(self._waiting)
