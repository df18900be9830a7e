"""A disk with little room: what fits goes on, what never fits fails, and nothing is repeated for ever."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import namedtuple
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.video.engine import EngineTask, Stage, Submission, SubmitAnswer
from gateway.domain.video.media import MediaInfo
from gateway.domain.video.task import Task, TaskState
from gateway.infrastructure.video import media_folder
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from tests.support.video import make_clip, make_speech
from tests.support.video_parts import Parts, ScriptedEngine, video_parts

MIB = 2**20
Usage = namedtuple("Usage", "total used free")


@dataclass
class Disk:
    """What the queue sees of its disk."""

    free: int
    total: int = 100 * MIB

    def usage(self, _: Path) -> Usage:
        return Usage(self.total, self.total - self.free, self.free)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk(free=20 * MIB)
    monkeypatch.setattr(media_folder, "disk_usage", made.usage)
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


async def test_the_queue_pauses_where_nothing_fits_and_continues_with_space(tmp_path: Path, disk: Disk) -> None:
    async with video_parts(tmp_path, ScriptedEngine(), min_free_bytes=MIB) as parts:
        await parts.add("large", seconds=20)
        async with parts.queue.running():
            while not parts.queue.paused:
                await parts.tasks.wait_for_change(0.02)
            disk.free = 80 * MIB
            await parts.until("large", running)
            assert not parts.queue.paused


async def test_a_task_that_fits_on_no_disk_fails(tmp_path: Path, disk: Disk) -> None:
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
async def test_little_space_causes_no_endless_retries(
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
                await parts.tasks.wait_for_change(0.05)
            assert (await parts.task("a")).failure_code == failure
    assert len(engine.offered) <= most


async def test_leftovers_of_an_attempt_are_not_mistaken_for_a_full_disk(tmp_path: Path, disk: Disk) -> None:
    engine = Failing(disk, "file create failed")
    async with video_parts(tmp_path, engine, min_free_bytes=MIB) as parts:
        dropped = parts.media.drop_attempt

        def drop(code: str) -> None:
            dropped(code)
            disk.free = 20 * MIB

        parts.media.drop_attempt = drop  # type: ignore[method-assign]
        await parts.add("a", seconds=1)
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
    assert (task.failure_code, task.attempt) == ("engine_error", 2)


NOISE = ("-vf", "noise=alls=60:allf=t", "-pix_fmt", "yuv422p")
NOISY = (*NOISE, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "12")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of some megabytes that must be converted."""
    return make_clip(tmp_path_factory.mktemp("clip") / "noisy.mp4", size="320x240", options=NOISY)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_speech(tmp_path_factory.mktemp("speech") / "a.wav", seconds=1)


async def submitted(parts: Parts, code: str, speech: Path, clip: Path) -> None:
    shutil.copy(speech, parts.media.root / speech.name)
    shutil.copy(clip, parts.media.root / clip.name)
    await parts.queue.submit(code, audio_url=speech.name, video_url=clip.name, options={})


async def test_a_conversion_that_does_not_fit_lets_others_by_and_waits(
    tmp_path: Path, disk: Disk, clip: Path, speech: Path
) -> None:
    plain = make_clip(tmp_path / "plain.mp4")
    disk.free = 8 * MIB
    async with video_parts(tmp_path, ScriptedEngine(), min_free_bytes=MIB) as parts:
        await submitted(parts, "large", speech, clip)
        await submitted(parts, "small", speech, plain)
        async with parts.queue.running():
            await parts.until("small", running)
            await parts.queue.cancel(await parts.task("small"))
            assert (await parts.task("large")).state is TaskState.QUEUED
            deadline = time.monotonic() + 20
            while not parts.queue.paused:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)
            parts.engines[0].engine.at_work.clear()  # type: ignore[attr-defined]
            disk.free = 90 * MIB
            await parts.until("large", running)


async def test_a_conversion_that_never_fits_is_not_repeated_for_ever(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, clip: Path, speech: Path
) -> None:
    disk.free = disk.total
    bounds, convert = [], Ffmpeg.to_engine_video

    async def counted(*arguments: Any, file_bytes: int, **more: Any) -> None:
        bounds.append(file_bytes)
        await convert(*arguments, file_bytes=MIB // 4, **more)  # ffmpeg meets the end of the disk

    monkeypatch.setattr(Ffmpeg, "to_engine_video", counted)
    async with video_parts(tmp_path, ScriptedEngine(), min_free_bytes=MIB) as parts:
        await submitted(parts, "a", speech, clip)
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
            assert task.failure_code == "disk_too_small"
    assert 1 < len(bounds) < 10
    assert all(bound <= disk.total - MIB for bound in bounds), "the reserve stays free"


async def test_a_video_that_can_not_be_known_to_fit_is_not_failed(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch, speech: Path
) -> None:
    plain = make_clip(tmp_path / "plain.mp4")
    probe = Ffmpeg.probe

    async def lengthless(*arguments: Any) -> MediaInfo:
        found = await probe(*arguments)
        return found if found.picture else replace(found, seconds=None)

    monkeypatch.setattr(Ffmpeg, "probe", lengthless)
    async with video_parts(tmp_path, ScriptedEngine(), min_free_bytes=MIB) as parts:
        await submitted(parts, "a", speech, plain)
        async with parts.queue.running():
            await parts.until("a", running)
