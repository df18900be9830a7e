"""A task's inputs are on the disk before the record says so, and are made again where they are gone all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.video.media import MediaInfo, ToolKilledError
from gateway.domain.video.task import TaskState
from gateway.domain.video.task_failures import failure_sentence
from gateway.infrastructure import folder_store
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from gateway.services.video import preparation
from tests.support.video import make_clip, make_speech
from tests.support.video_parts import Parts, ScriptedEngine, video_parts


async def submitted(parts: Parts, folder: Path) -> None:
    for made in (make_speech(folder / "a.wav"), make_clip(folder / "v.mp4")):
        made.rename(parts.media.root / made.name)
    await parts.queue.submit("a", audio_url="a.wav", video_url="v.mp4", options={})


async def test_a_linked_clip_is_durable_before_the_task_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable: list[set[str]] = []
    sync = folder_store.sync_folder

    def noted(folder: Path) -> None:
        sync(folder)
        durable.append({path.name for path in folder.iterdir()})

    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        await submitted(parts, tmp_path)
        monkeypatch.setattr(folder_store, "sync_folder", noted)
        async with parts.queue.running():
            await parts.until("a", lambda task: task.state is TaskState.RUNNING)
    assert any("video.mp4" in names for names in durable)


@pytest.mark.parametrize("lost", ["audio.wav", "video.mp4"])
async def test_a_missing_prepared_input_is_made_again(tmp_path: Path, lost: str) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine) as parts:
        await submitted(parts, tmp_path)
        folder = parts.media.inputs_of("a").folder
        task = await parts.task("a")
        for state in (TaskState.QUEUED, TaskState.PREPARED):
            await parts.tasks.change(task, {task.state, TaskState.QUEUED}, state=state, audio_seconds=1.0)
        (folder / ({"audio.wav", "video.mp4"} - {lost}).pop()).write_bytes(b"x")
        async with parts.queue.running():
            await parts.until("a", lambda task: task.accepted_at is not None)
            assert all((folder / name).stat().st_size > 1000 for name in ("audio.wav", "video.mp4"))


async def test_a_task_whose_uploads_are_missing_too_fails_with_a_reason(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        for path in parts.media.inputs_of("a").folder.iterdir():
            path.unlink()
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
    assert (task.failure_code, engine.offered) == ("input_missing", [])


async def test_what_is_no_media_fails_while_something_long_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def endless(tools: Ffmpeg, *_: object, **__: object) -> float:
        async with tools._conversions._slots:
            begun.set()
            await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Ffmpeg, "to_engine_audio", endless)
    async with video_parts(tmp_path, ScriptedEngine(), conversion_workers=1) as parts:
        await submitted(parts, tmp_path)
        async with parts.queue.running():
            await asyncio.wait_for(begun.wait(), 30)
            await parts.add("garbage", state=TaskState.SUBMITTED)
            failed = await parts.until("garbage", lambda task: not task.is_live)
            assert failed.failure_code == "not_audio"


@pytest.fixture
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(preparation, "LONGEST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(preparation, "IDLE_SECONDS", 0.02)


@pytest.mark.usefixtures("_short_pauses")
@pytest.mark.parametrize("step", ["probe", "to_engine_audio", "to_engine_video"])
async def test_a_tool_that_the_system_ends_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real, kills = getattr(Ffmpeg, step), [0]

    async def starved(tools: Ffmpeg, *arguments: object, **more: object) -> object:
        kills[0] += 1
        if kills[0] < 4:
            raise ToolKilledError
        return await real(tools, *arguments, **more)

    monkeypatch.setattr(Ffmpeg, step, starved)
    monkeypatch.setattr(preparation, "engine_can_take", lambda _: False)
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        await submitted(parts, tmp_path)
        async with parts.queue.running():
            await parts.until("a", lambda task: task.accepted_at is not None)


@pytest.mark.usefixtures("_short_pauses")
async def test_a_task_whose_tools_always_take_all_memory_holds_up_nobody_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Ffmpeg.probe

    async def starved(tools: Ffmpeg, path: Path) -> MediaInfo:
        if path.parent.name == "greedy":
            raise ToolKilledError
        return await real(tools, path)

    monkeypatch.setattr(Ffmpeg, "probe", starved)
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        await parts.add("greedy", state=TaskState.SUBMITTED)
        await submitted(parts, tmp_path)
        async with parts.queue.running():
            await parts.until("a", lambda task: task.accepted_at is not None)
            failed = await parts.until("greedy", lambda task: not task.is_live)
    assert failed.failure_code == "conversion_failed"


@pytest.mark.parametrize(
    ("content", "code", "detail"),
    [
        (b"MThd\0\0\0\6" + bytes(100), "format_unknown", "MIDI"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0" + bytes(100), "file_incomplete", ""),
        (b"just text", "not_audio", ""),
    ],
)
async def test_a_file_that_is_not_read_is_named(tmp_path: Path, content: bytes, code: str, detail: str) -> None:
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        make_clip(tmp_path / "v.mp4").rename(parts.media.root / "v.mp4")
        (parts.media.root / "a.wav").write_bytes(content)
        await parts.queue.submit("a", audio_url="a.wav", video_url="v.mp4", options={})
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
    assert task.failure_code == code
    sentence = failure_sentence(task.failure_code, task.failure_detail, "en")
    assert detail in sentence
    assert "?" not in sentence
