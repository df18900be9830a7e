"""Jumps of the wall clock move no age, and hold deletion until it has been steady for a day."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from gateway.domain.steady_clock import DAY, Reading, SteadyClock, first_state

START = Reading(wall=1_800_000_000.0, boot=1000.0, boot_id="a")
FORTY_DAYS = 40 * DAY


class Machine:
    """Two clocks that a test moves."""

    def __init__(self) -> None:
        self.reading = START

    def passes(self, seconds: float) -> None:
        self.reading = replace(self.reading, wall=self.reading.wall + seconds, boot=self.reading.boot + seconds)

    def jumps(self, seconds: float) -> None:
        self.reading = replace(self.reading, wall=self.reading.wall + seconds)

    def reboots(self, *, off: float) -> None:
        self.reading = Reading(wall=self.reading.wall + off, boot=5.0, boot_id=self.reading.boot_id + "'")

    def clock(self, after: SteadyClock | None = None) -> SteadyClock:
        state = first_state(self.reading, held=False) if after is None else after.state
        return SteadyClock(lambda: self.reading, state)


def test_time_passes_as_on_the_wall() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(3600)
    assert clock.time() == START.wall + 3600
    assert not clock.held


@pytest.mark.parametrize("jump", [FORTY_DAYS, -FORTY_DAYS, 600.0])
def test_a_jump_and_its_correction_move_nothing_and_hold_for_a_day(jump: float) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.jumps(jump)
    assert clock.time() == START.wall
    assert clock.held
    machine.passes(3)
    machine.jumps(-jump)
    assert clock.time() == START.wall + 3
    machine.passes(DAY - 60)
    clock.check()
    assert clock.held
    machine.passes(61)
    clock.check()
    assert not clock.held
    assert clock.time() == machine.reading.wall


def test_a_clock_that_stays_where_it_was_set_is_followed_after_a_day() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.jumps(FORTY_DAYS)
    clock.check()
    for _ in range(25):
        machine.passes(3600)
        clock.check()
    assert not clock.held
    assert clock.time() == machine.reading.wall


def test_a_small_correction_is_followed_at_once() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.jumps(-30.0)
    assert clock.time() == machine.reading.wall
    assert not clock.held


@pytest.mark.parametrize("held", [True, False])
def test_a_restart_of_the_process_changes_nothing(held: bool) -> None:
    machine = Machine()
    clock = machine.clock()
    if held:
        machine.jumps(FORTY_DAYS)
        clock.check()
    machine.passes(50)
    again = machine.clock(clock)
    assert again.held is held
    assert again.time() == START.wall + 50


def test_a_jump_while_the_process_was_down_is_seen() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.passes(10)
    machine.jumps(FORTY_DAYS)
    again = machine.clock(clock)
    assert again.held
    assert again.time() == START.wall + 10


@pytest.mark.parametrize(("off", "held"), [(600.0, False), (FORTY_DAYS, True), (-FORTY_DAYS, True)])
def test_after_a_start_of_the_machine_only_a_plausible_wall_clock_is_followed(off: float, held: bool) -> None:
    machine = Machine()
    clock = machine.clock()
    machine.reboots(off=off)
    again = machine.clock(clock)
    assert again.held is held
    assert again.time() == START.wall + (0.0 if held else off)


def test_a_person_releases_it() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.jumps(FORTY_DAYS)
    clock.check()
    assert clock.release(machine.reading)
    assert not clock.held
    assert clock.time() == machine.reading.wall


def test_a_persons_word_on_a_clock_that_has_jumped_since_does_not_count() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.jumps(FORTY_DAYS)
    assert clock.held
    seen = machine.reading
    machine.jumps(-FORTY_DAYS)
    assert not clock.release(seen)
    assert clock.held
    machine.reboots(off=60.0)
    assert not clock.release(seen)


def test_a_persons_word_without_a_hold_changes_no_age() -> None:
    machine = Machine()
    clock = machine.clock()
    before = clock.state
    assert clock.release(machine.reading)
    assert clock.state == before


@pytest.mark.parametrize("jump", [FORTY_DAYS, -FORTY_DAYS])
@pytest.mark.parametrize("by_hand", [True, False])
def test_no_age_counts_from_before_the_end_of_a_hold(jump: float, by_hand: bool) -> None:
    machine = Machine()
    clock = machine.clock()
    assert clock.horizon(100.0) == START.wall - 100.0
    machine.jumps(jump)
    assert clock.horizon(100.0) == -math.inf
    if by_hand:
        clock.release(machine.reading)
    else:
        clock.check()
        machine.passes(DAY + 1)
    ended = clock.time()
    assert not clock.held
    assert clock.horizon(100.0) == -math.inf
    machine.passes(99)
    assert machine.clock(clock).horizon(100.0) == -math.inf
    machine.passes(2)
    assert machine.clock(clock).horizon(100.0) == ended + 1


def test_data_without_a_past_are_held_for_a_day() -> None:
    machine = Machine()
    clock = SteadyClock(lambda: machine.reading, first_state(machine.reading, held=True))
    assert clock.held
    machine.passes(DAY)
    clock.check()
    assert not clock.held
