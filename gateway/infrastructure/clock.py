"""The machine's clocks, kept steady."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

from gateway.domain.steady_clock import Reading, SteadyClock, first_state

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def _boot_id() -> str:
    return BOOT_ID.read_text(encoding="ascii").strip()


def read_clocks() -> Reading:
    """Both clocks of this machine, now."""
    return Reading(wall=time.time(), boot=time.clock_gettime(time.CLOCK_BOOTTIME), boot_id=_boot_id())


class SystemClock:
    """The machine's own clock; its jumps move nothing before they have proved right.

    Args:
        steady: as an earlier run left it; by default the wall clock is trusted as it is.
    """

    def __init__(self, steady: SteadyClock | None = None) -> None:
        self.steady = steady or SteadyClock(read_clocks, first_state(read_clocks(), held=False))

    def time(self) -> float:
        """Unix seconds, unmoved by jumps."""
        return self.steady.time()

    def monotonic(self) -> float:
        """Seconds since an unknown moment, never going back."""
        return time.monotonic()

    @property
    def held(self) -> bool:
        """Whether retention deletes nothing."""
        return self.steady.held

    def horizon(self, max_age: float) -> float:
        """The time before which a stamp is older than `max_age` seconds; minus infinity while none can be."""
        return self.steady.horizon(max_age)
