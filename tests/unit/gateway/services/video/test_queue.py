"""Waiting tasks fail only while no engine works, and a task that an engine has just got is not waiting."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.domain.video.engine import EngineTask, Stage, Submission, SubmitAnswer
from gateway.domain.video.task import TaskState
from gateway.services.video import queue
from tests.support.video_parts import AbsentEngine, MovedClock, ScriptedEngine, at_work, video_parts


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "PATIENCE_CHECK_SECONDS", 0.05)


class Foreign(ScriptedEngine):
    """Works on what somebody else submitted."""

    busy = True

    async def take(self, code: str) -> SubmitAnswer:
        return SubmitAnswer(Submission.BUSY) if self.busy else await super().take(code)


async def test_an_engine_that_works_for_others_is_waited_for(tmp_path: Path) -> None:
    engine = Foreign()
    async with video_parts(tmp_path, engine, engine_patience=0.3, engine_busy_patience=60) as parts:
        await parts.add("a")
        async with parts.queue.running():
            await asyncio.sleep(1)
            assert (await parts.task("a")).is_live
            told = parts.queue.view(await parts.task("a"), "en")["msg"]
            assert "elsewhere" in str(told) or "being generated" in str(told)
            engine.busy = False
            await parts.until("a", lambda task: task.accepted_at is not None)


async def test_an_engine_that_is_busy_for_ever_is_not(tmp_path: Path) -> None:
    async with video_parts(tmp_path, Foreign(), engine_patience=0.3, engine_busy_patience=0.3) as parts:
        await parts.add("a")
        async with parts.queue.running():
            failed = await parts.until("a", lambda task: not task.is_live)
            assert failed.failure_code == "engine_unavailable"


@pytest.mark.parametrize("jump", [40 * 86400.0, -40 * 86400.0])
async def test_patience_is_measured_by_no_clock_that_jumps(tmp_path: Path, jump: float) -> None:
    clock = MovedClock()
    async with video_parts(tmp_path, AbsentEngine(), clock=clock, engine_patience=2.0) as parts:
        await asyncio.sleep(2.2)
        await parts.add("a")
        await parts.queue._fail_impatient()
        clock.moved = jump
        await parts.queue._fail_impatient()
        assert (await parts.task("a")).is_live
        async with asyncio.timeout(20):
            while (await parts.task("a")).is_live:
                await parts.queue._fail_impatient()
        assert (await parts.task("a")).failure_code == "engine_unavailable"


async def test_a_cancelled_task_is_followed_across_a_restart(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("cancelled")
        async with at_work(*parts.workers):
            await parts.until("cancelled", lambda task: task.accepted_at is not None)
            await parts.queue.cancel(await parts.task("cancelled"))
    async with video_parts(tmp_path, engine, engine_patience=0.3) as parts:
        await parts.add("next")
        async with parts.queue.running():
            await asyncio.sleep(1)
            assert (await parts.task("next")).is_live, "the engine works: it is in service"
            assert engine.offered == ["cancelled"]
            engine.at_work["cancelled"] = EngineTask(Stage.DONE, 100)
            await parts.until("next", lambda task: task.accepted_at is not None)
            assert not parts.media.inputs_of("cancelled").folder.exists()
    async with video_parts(tmp_path, engine) as parts:
        assert await parts.tasks.cancelled_at(engine.url) == []


async def test_what_an_engine_has_just_got_is_not_failed_by_impatience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with video_parts(tmp_path, AbsentEngine(), engine_patience=0.2) as parts:
        for code in ("first", "second"):
            await parts.add(code)
        fail = parts.outcomes.fail

        async def slowly(task: object, *rest: object, **more: object) -> None:
            # While the first one's failure is written down, an engine comes up and takes the second.
            second = await parts.task("second")
            await parts.tasks.change(second, {TaskState.PREPARED}, state=TaskState.RUNNING, engine="http://engine")
            await fail(task, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(parts.outcomes, "fail", slowly)
        async with asyncio.timeout(20):
            while (await parts.task("first")).is_live:
                await parts.queue._fail_impatient()
        await parts.queue._fail_impatient()
        assert (await parts.task("second")).state is TaskState.RUNNING
        assert parts.media.inputs_of("second").audio.exists()


async def test_inputs_of_tasks_that_ended_just_before_a_crash_are_deleted_at_the_start(tmp_path: Path) -> None:
    async with video_parts(tmp_path, AbsentEngine()) as parts:
        ended, live = await parts.add("ended"), await parts.add("live")
        # The crash comes between the record and the deletion.
        await parts.tasks.change(ended, {TaskState.PREPARED}, state=TaskState.FAILED, failure_code="engine_lost")
        async with parts.queue.running():
            assert [folder.name for folder in parts.media.held_inputs()] == [live.key]
