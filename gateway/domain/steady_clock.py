"""A wall clock without jumps: ages are measured by it, so that a wrong clock deletes nothing.

The wall clock of a rented server may be wrong at boot, or be set wrong for a moment. Retention by such a clock
deletes what is young. This clock follows the wall clock only where both agree with a clock that counts seconds since
boot; after a disagreement it keeps its own time and holds all deletion by age, until the wall clock has been steady
for a day.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

DAY = 86400.0
# A step that NTP may correct on a healthy machine, or that a suspended virtual machine may miss.
TOLERANCE = 120.0


@dataclass(frozen=True)
class Reading:
    """Both clocks of a machine at one moment.

    Attributes:
        wall: seconds since 1970 as the machine believes.
        boot: seconds since the machine started, suspended time included; it is never set.
        boot_id: differs after each start of the machine.
    """

    wall: float
    boot: float
    boot_id: str


@dataclass(frozen=True)
class SteadyState:
    """The state that is kept over a restart.

    Attributes:
        time: the steady time when this was written, in seconds since 1970.
        boot: the reading of the boot clock then.
        boot_id: of the boot that `boot` counts from.
        wall_ahead: seconds by which the wall clock was ahead of `time`; 0 while both agree.
        steady_for: seconds for which the wall clock has not jumped since the last disagreement.
        held: whether deletion is held.
        ages_from: end of the last hold, in steady time; no age counts from before, as older stamps may be wrong.
    """

    time: float
    boot: float
    boot_id: str
    wall_ahead: float = 0.0
    steady_for: float = 0.0
    held: bool = False
    ages_from: float = 0.0


def first_state(reading: Reading, *, held: bool) -> SteadyState:
    """The state without a known past, which follows the wall clock.

    Args:
        reading: the current one.
        held: whether there are older data that a wrong wall clock could delete.
    """
    return SteadyState(time=reading.wall, boot=reading.boot, boot_id=reading.boot_id, held=held)


def advance(state: SteadyState, reading: Reading) -> SteadyState:
    """The state after a further reading.

    Within one boot the time advances by the boot clock. After a start of the machine it continues with the wall clock
    if that is at most a day later, and otherwise where it was, since the duration of the downtime is unknown.
    """
    if reading.boot_id == state.boot_id:
        passed = max(0.0, reading.boot - state.boot)
        return _compare(replace(state, time=state.time + passed, boot=reading.boot), reading, passed)
    ahead = reading.wall - state.time
    follows = 0.0 <= ahead <= DAY
    moved = replace(state, time=reading.wall if follows else state.time, boot=reading.boot, boot_id=reading.boot_id)
    return _compare(moved, reading, 0.0)


def _compare(state: SteadyState, reading: Reading, passed: float) -> SteadyState:
    ahead = reading.wall - state.time
    jumped = abs(ahead - state.wall_ahead) > TOLERANCE
    if jumped:
        return replace(state, wall_ahead=ahead, steady_for=0.0, held=True)
    steady_for = state.steady_for + passed
    if state.held and steady_for < DAY:
        return replace(state, steady_for=steady_for)
    ages_from = reading.wall if state.held else state.ages_from
    return replace(state, time=reading.wall, wall_ahead=0.0, steady_for=steady_for, held=False, ages_from=ages_from)


def released(reading: Reading) -> SteadyState:
    """A person has confirmed that the wall clock is right: it is followed from now on."""
    return replace(first_state(reading, held=False), ages_from=reading.wall)


def agree(one: Reading, other: Reading) -> bool:
    """Whether the wall clock has not jumped between two readings of one boot."""
    between = (other.wall - one.wall) - (other.boot - one.boot)
    return one.boot_id == other.boot_id and abs(between) <= TOLERANCE


class SteadyClock:
    """The steady time, and which ages by it can be trusted.

    Args:
        read: both clocks of the machine.
        state: the state that the last run kept, or ``first_state``.
    """

    def __init__(self, read: Callable[[], Reading], state: SteadyState) -> None:
        self._read = read
        self._state = advance(state, read())
        self._lock = Lock()  # retention and the keeper work in threads

    def time(self) -> float:
        """Seconds since 1970, unmoved by jumps of the wall clock."""
        return self.check().time

    @property
    def held(self) -> bool:
        """Whether deletion is held."""
        return self.check().held

    def horizon(self, max_age: float) -> float:
        """The time before which a stamp is older than `max_age` seconds; minus infinity while none can be."""
        state = self.check()
        horizon = state.time - max_age
        return horizon if not state.held and state.ages_from <= horizon else -math.inf

    @property
    def state(self) -> SteadyState:
        """The state to keep for the next run; as of the latest ``check``."""
        return self._state

    def check(self) -> SteadyState:
        """Compare the clocks and return the new state."""
        with self._lock:
            self._state = advance(self._state, self._read())
            return self._state

    def release(self, seen: Reading) -> bool:
        """End a hold, because a person found the wall clock right at a reading; false where it jumped since."""
        with self._lock:
            now = self._read()
            if not agree(seen, now):
                return False
            if self._state.held:
                self._state = released(now)
            return True
