"""A task's inputs are on the disk before the record says so, and are made again where they are gone all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.task import TaskState
from gateway.infrastructure import media, media_folder
from gateway.infrastructure.sandbox import Sandbox
from tests.support.video import make_clip, make_speech
from tests.support.video_parts import Parts, ScriptedEngine, video_parts


async def submitted(parts: Parts, folder: Path) -> None:
    for made in (make_speech(folder / "a.wav"), make_clip(folder / "v.mp4")):
        made.rename(parts.folder.root / made.name)
    await parts.queue.submit("a", audio_url="a.wav", video_url="v.mp4", options={})


async def test_a_linked_clip_is_durable_before_the_task_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    durable: list[set[str]] = []
    sync = media_folder.sync_folder

    def noted(folder: Path) -> None:
        sync(folder)
        durable.append({path.name for path in folder.iterdir()})

    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        await submitted(parts, tmp_path)
        monkeypatch.setattr(media_folder, "sync_folder", noted)
        async with parts.queue.running():
            await parts.until("a", lambda task: task.state is TaskState.RUNNING)
    assert any("video.mp4" in names for names in durable)


@pytest.mark.parametrize("lost", ["audio.wav", "video.mp4"])
async def test_a_prepared_input_that_is_gone_is_made_again(tmp_path: Path, lost: str) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine) as parts:
        await submitted(parts, tmp_path)
        folder = parts.folder.inputs_of("a").folder
        task = await parts.task("a")
        for state in (TaskState.QUEUED, TaskState.PREPARED):
            await parts.store.change(task, {task.state, TaskState.QUEUED}, state=state, audio_seconds=1.0)
        (folder / ({"audio.wav", "video.mp4"} - {lost}).pop()).write_bytes(b"x")
        async with parts.queue.running():
            await parts.until("a", lambda task: task.accepted_at is not None)
            assert all((folder / name).stat().st_size > 1000 for name in ("audio.wav", "video.mp4"))


async def test_a_task_whose_uploads_are_gone_as_well_says_so(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        for path in parts.folder.inputs_of("a").folder.iterdir():
            path.unlink()
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
    assert (task.failure_code, engine.offered) == ("input_missing", [])


async def test_what_is_no_media_fails_while_something_long_is_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(sandbox: Sandbox, *_: object, **__: object) -> float:
        async with sandbox._slots:
            await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(media, "to_engine_audio", endless)
    async with video_parts(tmp_path, ScriptedEngine(), conversion_workers=1) as parts:
        await submitted(parts, tmp_path)
        async with parts.queue.running():
            await parts.until("a", lambda task: task.state is TaskState.QUEUED)
            await asyncio.sleep(0.3)
            await parts.add("garbage", state=TaskState.SUBMITTED)
            failed = await parts.until("garbage", lambda task: not task.is_live)
            assert failed.failure_code == "not_audio"
