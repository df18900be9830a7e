"""A flag that ends work in another thread."""

from __future__ import annotations

import threading
from typing import Callable, Optional


class Cancellation:
    """A flag that any thread may set; it calls back once."""

    def __init__(self) -> None:
        self._flag = threading.Event()
        self._lock = threading.Lock()
        self._callback: Optional[Callable[[], None]] = None

    def is_set(self) -> bool:
        return self._flag.is_set()

    def set(self) -> None:
        with self._lock:
            self._flag.set()
            if self._callback is not None:
                self._callback()
                self._callback = None

    def when_set(self, callback: Optional[Callable[[], None]]) -> None:
        """Call `callback` on `set`, or now if it is set already; None removes the callback."""
        with self._lock:
            self._callback = callback
            if callback is not None and self._flag.is_set():
                callback()
