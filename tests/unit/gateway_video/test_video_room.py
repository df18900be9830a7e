"""A disk with little room: what fits goes on, what never fits fails, and nothing is repeated for ever."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.domain.task import Task, TaskState
from gateway.services.video import pause
from tests.support.video_parts import ScriptedEngine, video_parts

MIB = 2**20
Usage = namedtuple("Usage", "total used free")


@dataclass
class Disk:
    """What the queue is told of its disk."""

    free: int
    total: int = 100 * MIB

    def usage(self, _: Path) -> Usage:
        return Usage(self.total, self.total - self.free, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(free=20 * MIB)
    monkeypatch.setattr(pause, "disk_usage", made.usage)
    return made


def running(task: Task) -> bool:
    return task.state is TaskState.RUNNING


async def test_a_large_task_lets_those_that_fit_go_first(tmp_path: Path, disk: Disk) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine, min_free_bytes=MIB) as parts:
        await parts.add("large", seconds=20)
        await parts.add("small", seconds=1)
        async with parts.queue.running():
            await parts.until("small", running)
            assert (await parts.task("large")).state is TaskState.PREPARED
            assert not parts.queue.paused


async def test_the_queue_pauses_where_nothing_fits_and_goes_on_with_room(tmp_path: Path, disk: Disk) -> None:
    async with video_parts(tmp_path, ScriptedEngine(), min_free_bytes=MIB) as parts:
        await parts.add("large", seconds=20)
        async with parts.queue.running():
            while not parts.queue.paused:
                await parts.store.wait_for_change(0.02)
            disk.free = 80 * MIB
            await parts.until("large", running)
            assert not parts.queue.paused


async def test_a_task_that_no_room_would_be_enough_for_fails(tmp_path: Path, disk: Disk) -> None:
    async with video_parts(tmp_path, ScriptedEngine(), min_free_bytes=MIB) as parts:
        await parts.add("huge", seconds=40)
        async with parts.queue.running():
            task = await parts.until("huge", lambda task: not task.is_live)
            assert (task.state, task.failure_code) == (TaskState.FAILED, "disk_too_small")
