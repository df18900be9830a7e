"""An attribute that each thread has for itself."""

from __future__ import annotations

import threading
from typing import Any


class PerThread:
    """A descriptor: a thread sees the value that it set itself, and `first` before."""

    def __init__(self, first: Any) -> None:
        self._first = first
        self._values = threading.local()

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return getattr(self._values, "value", self._first)

    def __set__(self, instance: Any, value: Any) -> None:
        self._values.value = value


def separate(instance: Any, name: str) -> None:
    """Make an attribute of this one object an attribute of each thread. The object's class keeps its name."""
    kind = type(instance)
    first = getattr(instance, name)
    instance.__class__ = type(kind.__name__, (kind,), {name: PerThread(first), "__module__": kind.__module__})
