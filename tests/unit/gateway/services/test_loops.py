"""The queue's loops outlive a database and a disk that are away for a while, and no task pays for it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway.domain.video.media import NotMediaError
from gateway.domain.video.task import TaskState
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from gateway.infrastructure.video.media_folder import MediaFolder
from gateway.services import loops
from gateway.services.video import preparation, queue
from tests.support.video import make_clip, make_speech
from tests.support.video_parts import AbsentEngine, Parts, ScriptedEngine, video_parts


class Outage:
    """A database that refuses every statement while it is down."""

    def __init__(self, parts: Parts, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        self.down = False
        self.refused = 0
        self._begin = parts.tasks._database.begin
        self._error = error
        monkeypatch.setattr(parts.tasks, "_database", self)

    def begin(self) -> Any:
        return self._connection()

    def connect(self) -> Any:
        return self._connection()

    def _connection(self) -> Any:
        if self.down:
            self.refused += 1
            raise self._error
        return self._begin()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "TROUBLE_SECONDS", 0.05)
    monkeypatch.setattr(preparation, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(queue, "PATIENCE_CHECK_SECONDS", 0.05)


GONE = [OperationalError("x", {}, Exception("database is locked")), ConnectionRefusedError(111, "Connection refused")]


@pytest.mark.parametrize("error", GONE, ids=["sqlalchemy", "driver"])
async def test_tasks_are_prepared_once_the_database_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    speech, clip = make_speech(tmp_path / "a.wav"), make_clip(tmp_path / "v.mp4")
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        outage = Outage(parts, monkeypatch, error)
        await parts.add("good", state=TaskState.SUBMITTED)
        inputs = parts.media.inputs_of("good")
        inputs.uploaded_audio.write_bytes(speech.read_bytes())
        inputs.uploaded_video.write_bytes(clip.read_bytes())
        await parts.add("bad", state=TaskState.SUBMITTED)
        outage.down = True
        async with parts.queue.running():
            while outage.refused < 3:  # noqa: ASYNC110 - the outage has no event
                await asyncio.sleep(0.02)
            outage.down = False
            await parts.until("good", lambda task: task.state is TaskState.RUNNING)
            failed = await parts.until("bad", lambda task: not task.is_live)
            assert failed.failure_code == "not_audio"


@pytest.mark.parametrize("error", GONE, ids=["sqlalchemy", "driver"])
async def test_impatience_outlives_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async with video_parts(tmp_path, AbsentEngine(), engine_patience=0.2) as parts:
        outage = Outage(parts, monkeypatch, error)
        await parts.add("a")
        outage.down = True
        async with parts.queue.running():
            while outage.refused < 3:  # noqa: ASYNC110 - the outage has no event
                await asyncio.sleep(0.02)
            outage.down = False
            failed = await parts.until("a", lambda task: not task.is_live)
            assert failed.failure_code == "engine_unavailable"


async def test_preparation_outlives_a_media_folder_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        await parts.add("bad", state=TaskState.QUEUED)
        away = tmp_path / "away"
        monkeypatch.setattr(parts.pause, "_space", MediaFolder(away).space)
        async with parts.queue.running():
            await asyncio.sleep(0.2)
            away.mkdir()
            failed = await parts.until("bad", lambda task: not task.is_live)
            assert failed.failure_code == "not_audio"


@pytest.mark.parametrize(
    ("trouble", "times", "failure"),
    [
        (BlockingIOError(11, "Resource temporarily unavailable"), 10, "not_audio"),
        (OSError(5, "Input/output error"), 10, "not_audio"),
        (ValueError("a fault of ours"), 2, "not_audio"),
        (ValueError("a fault of ours"), 3, "conversion_failed"),
    ],
    ids=["no process", "broken disk", "passing fault", "staying fault"],
)
async def test_trouble_of_the_host_is_no_damaged_file_however_long_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception, times: int, failure: str
) -> None:
    left = [trouble] * times

    async def troubled(*_: object) -> object:
        raise left.pop() if left else NotMediaError

    monkeypatch.setattr(Ffmpeg, "probe", troubled)
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        await parts.add("a", state=TaskState.SUBMITTED)
        async with parts.queue.running():
            failed = await parts.until("a", lambda task: not task.is_live)
            assert failed.failure_code == failure
