"""The bridge between a worker thread and the event loop."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import threading
from typing import Any, Callable, Iterator, Optional

from .cancellation import Cancellation
from .errors import ClientGone, last_line

log = logging.getLogger(__name__)


class Job:
    """Work in a worker thread whose results the event loop takes one by one.

    `done` is called when the thread has ended, not when the client has left: until then the model is busy.
    """

    _END = object()

    def __init__(
        self, produce: Callable[[Cancellation], Iterator[Any]], done: Callable[[], None], max_buffered: int
    ) -> None:
        self.cancelled = Cancellation()
        self._produce = produce
        self._done = done
        self._loop = asyncio.get_running_loop()
        self._items: collections.deque[Any] = collections.deque()
        self._waiter: Optional[asyncio.Future[None]] = None
        self._room = threading.Condition()
        self._buffered = 0
        self._max_buffered = max_buffered

    def run(self) -> None:
        """The worker thread's part."""
        try:
            for item in self._produce(self.cancelled):
                self._wait_for_room(len(item) if isinstance(item, bytes) else 0)
                if self.cancelled.is_set():
                    break
                self._post(item)
            self._post(self._END)
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            if self.cancelled.is_set():
                log.info("abandoned work ended with %s", last_line(error))
            self._post(error)
        finally:
            self._call(self._done)

    def _wait_for_room(self, size: int) -> None:
        with self._room:
            self._room.wait_for(lambda: self._buffered < self._max_buffered or self.cancelled.is_set())
            self._buffered += size

    def _post(self, item: Any) -> None:
        self._call(self._put, item)

    def _put(self, item: Any) -> None:
        self._items.append(item)
        self._wake()

    def _wake(self, *_: Any) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server has stopped
            self._loop.call_soon_threadsafe(function, *arguments)

    async def next(self, gone: asyncio.Future[None]) -> Any:
        """The next result, or None after the last one. Raises what the work raised, and ClientGone."""
        if not self._items and not gone.done():
            await self._wait(gone)
        if gone.done():
            raise ClientGone
        item = self._items.popleft()
        if item is self._END:
            return None
        if isinstance(item, BaseException):
            raise item
        if isinstance(item, bytes):
            with self._room:
                self._buffered -= len(item)
                self._room.notify_all()
        return item

    async def _wait(self, gone: asyncio.Future[None]) -> None:
        self._waiter = self._loop.create_future()
        gone.add_done_callback(self._wake)
        try:
            await self._waiter
        finally:
            gone.remove_done_callback(self._wake)

    @property
    def exhausted(self) -> bool:
        """Whether `next` is known to have no further result."""
        return bool(self._items) and self._items[0] is self._END

    def cancel(self) -> None:
        """Stop producing; results that are not taken are dropped."""
        self.cancelled.set()
        with self._room:
            self._room.notify_all()
