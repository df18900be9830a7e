"""A disk with little room: what fits goes on, what never fits fails, and nothing is repeated for ever."""

from __future__ import annotations

import time
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.domain.task import Task, TaskState
from gateway.infrastructure.duix import EngineTask, Stage, Submission, SubmitAnswer
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


class Failing(ScriptedEngine):
    """Fails every task with these words, and leaves the disk fuller each time."""

    def __init__(self, disk: Disk, words: str) -> None:
        super().__init__()
        self._disk = disk
        self._words = words

    async def take(self, code: str) -> SubmitAnswer:
        self._disk.free = 2 * MIB
        self.at_work[code] = EngineTask(Stage.FAILED, 0, self._words)
        return SubmitAnswer(Submission.ACCEPTED)


@pytest.mark.parametrize(
    ("words", "failure", "most"), [("存在多人脸", "several_faces", 1), ("file create failed", "engine_error", 11)]
)
async def test_little_room_makes_nobody_try_for_ever(
    tmp_path: Path, disk: Disk, words: str, failure: str, most: int
) -> None:
    engine = Failing(disk, words)
    async with video_parts(tmp_path, engine, min_free_bytes=MIB) as parts:
        await parts.add("a", seconds=1)
        async with parts.queue.running():
            deadline = time.monotonic() + 20
            while (await parts.task("a")).is_live:
                assert time.monotonic() < deadline
                if (await parts.task("a")).state is TaskState.PREPARED:
                    disk.free = 20 * MIB
                await parts.store.wait_for_change(0.05)
            assert (await parts.task("a")).failure_code == failure
    assert len(engine.offered) <= most


async def test_what_an_attempt_left_is_not_taken_for_a_full_disk(tmp_path: Path, disk: Disk) -> None:
    engine = Failing(disk, "file create failed")
    async with video_parts(tmp_path, engine, min_free_bytes=MIB) as parts:
        dropped = parts.folder.drop_attempt

        def drop(code: str) -> None:
            dropped(code)
            disk.free = 20 * MIB

        parts.folder.drop_attempt = drop  # type: ignore[method-assign]
        await parts.add("a", seconds=1)
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
    assert (task.failure_code, task.attempt) == ("engine_error", 2)
