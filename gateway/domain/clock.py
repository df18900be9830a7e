"""What the time is, and what is old: services ask this, so that a test or a steadier source can answer."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Both kinds of time, and how far back ages reach."""

    def time(self) -> float:
        """Unix seconds; a jump of the machine's clock does not move them before it has proved right."""
        ...

    def monotonic(self) -> float:
        """Seconds since an unknown moment; never goes back, and means nothing to another process."""
        ...

    @property
    def held(self) -> bool:
        """Whether retention deletes nothing, since the machine's clock has jumped and may be wrong."""
        ...

    def horizon(self, max_age: float) -> float:
        """The time before which a stamp is older than `max_age` seconds; minus infinity while none can be.

        The age of what was stamped before the end of the last hold counts from that end.
        """
        ...
