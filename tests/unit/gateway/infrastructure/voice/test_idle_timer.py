"""One timer bounds each wait of a stream, and nothing else."""

from __future__ import annotations

import asyncio
from contextlib import closing

import pytest

from gateway.infrastructure.voice.idle_timer import IdleTimer

SOON = 0.05


async def test_a_wait_without_end_is_interrupted() -> None:
    with closing(IdleTimer(SOON)) as timer:
        assert await timer.wait_for(asyncio.sleep(0, "one")) == "one"
        with pytest.raises(TimeoutError):
            await timer.wait_for(asyncio.Event().wait())
    # The task itself is not being cancelled: it goes on.
    await asyncio.sleep(0)


async def test_time_between_waits_does_not_count() -> None:
    with closing(IdleTimer(SOON)) as timer:
        for _ in range(3):
            await asyncio.sleep(2 * SOON)
            assert await timer.wait_for(asyncio.sleep(0, True))


async def test_waits_may_come_from_several_tasks() -> None:
    with closing(IdleTimer(SOON)) as timer:
        await asyncio.create_task(timer.wait_for(asyncio.sleep(0)))
        with pytest.raises(TimeoutError):
            await asyncio.create_task(timer.wait_for(asyncio.Event().wait()))


async def test_a_cancelled_task_stays_cancelled() -> None:
    async def wait() -> None:
        with closing(IdleTimer(60.0)) as timer:
            await timer.wait_for(asyncio.Event().wait())

    task = asyncio.create_task(wait())
    await asyncio.sleep(SOON)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_nothing_is_left_behind() -> None:
    with closing(IdleTimer(SOON)):
        pass
    await asyncio.sleep(2 * SOON)
