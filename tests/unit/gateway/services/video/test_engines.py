"""What an engine's answers say of it: when it gets work, and when it rests."""

from __future__ import annotations

from gateway.domain.video.engine import EngineFaultError, FaultKind, VideoEngineState
from gateway.services.video.engines import LONGEST_UNFIT_SECONDS, UNFIT_SECONDS, EngineWatch
from tests.support.video_parts import ScriptedEngine

DOWN = EngineFaultError(FaultKind.UNREACHABLE, "ConnectError")


class SetClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    held = False

    def horizon(self, max_age: float) -> float:
        return self.now - max_age


def watched(*, warm_up: float = 0.0, busy_patience: float = 100.0) -> tuple[EngineWatch, SetClock]:
    clock = SetClock()
    return EngineWatch(ScriptedEngine(), clock=clock, warm_up=warm_up, busy_patience=busy_patience), clock


async def test_an_engine_that_came_up_warms_up_first() -> None:
    watch, clock = watched(warm_up=25)
    watch.note_fault(DOWN)
    assert watch.state is VideoEngineState.STARTING
    assert await watch.check() is VideoEngineState.WARMING
    clock.now += 26
    assert await watch.check() is VideoEngineState.READY


async def test_an_engine_that_was_up_all_along_is_ready_at_once() -> None:
    watch, _ = watched(warm_up=25)
    assert await watch.check() is VideoEngineState.READY


async def test_an_unfit_engine_rests_twice_as_long_each_time() -> None:
    watch, clock = watched()
    rest = UNFIT_SECONDS
    for _ in range(6):
        watch.note_unfit("engine_workers")
        clock.now += min(rest, LONGEST_UNFIT_SECONDS) - 1
        assert await watch.check() is VideoEngineState.UNFIT
        clock.now += 1
        assert await watch.check() is VideoEngineState.READY
        rest *= 2
    watch.note_unfit("engine_workers")
    watch.note_fault(DOWN)
    assert await watch.check() is VideoEngineState.READY, "a restart replaces its workers"


def test_an_engine_that_is_busy_for_too_long_is_not_in_service() -> None:
    watch, clock = watched(busy_patience=10)
    watch.note_busy()
    clock.now += 9
    watch.note_busy()
    assert watch.in_service_at == clock.now
    clock.now += 9
    watch.note_busy()
    assert watch.in_service_at < clock.now


async def test_a_task_that_is_not_accepted_is_the_cause_only_once_another_was_accepted() -> None:
    watch, _ = watched()
    assert not watch.note_not_accepted("a")
    assert watch.is_last_in_line("a")
    assert await watch.check() is VideoEngineState.FAULTY
    watch.note_taken("b")
    assert not watch.is_last_in_line("a")
    assert watch.note_not_accepted("a")


def test_the_address_stays_inside() -> None:
    watch, _ = watched()
    assert watch.view() == {"state": "starting", "detail": ""}
