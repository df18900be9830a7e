"""Which engine makes a task and under which code, engines that take no task, and videos that nobody reports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from pathlib import Path

import pytest

from gateway.domain.video.engine import (
    EngineFaultError,
    EngineTask,
    FaultKind,
    Submission,
    SubmitAnswer,
    VideoEngineState,
)
from gateway.domain.video.task import NewTask, TaskState, claims_of, engine_code_of
from gateway.services.video import engines, rendering
from tests.support.video import ffmpeg
from tests.support.video_parts import AbsentEngine, MovedClock, ScriptedEngine, at_work, video_parts


class Working(ScriptedEngine):
    """Makes its work folder as soon as it has a task."""

    def __init__(self, url: str, media: Path) -> None:
        super().__init__(url)
        self._media = media

    async def take(self, code: str) -> SubmitAnswer:
        (self._media / "temp" / code).mkdir()
        return await super().take(code)


async def test_two_engines_and_one_task(tmp_path: Path) -> None:
    both = [Working(url, tmp_path / "media") for url in ("http://one", "http://two")]
    async with video_parts(tmp_path, *both) as parts:
        dropped, calls = parts.media.drop_attempt, iter((0.0, 0.3, 0.0))

        def drop(code: str) -> None:
            time.sleep(next(calls))  # a thread pool that is busy
            dropped(code)

        parts.media.drop_attempt = drop  # type: ignore[method-assign]
        async with at_work(*parts.workers):
            await asyncio.sleep(0.1)
            await parts.add("a")
            await parts.until("a", lambda task: task.accepted_at is not None)
            await asyncio.sleep(0.5)
            assert (parts.media.temp / "a").exists(), "the loser of the claim deleted the winner's work"
    assert sum(len(engine.offered) for engine in both) == 1


class Swallowing(ScriptedEngine):
    """Takes each task and breaks the connection before it says so; then knows nothing of it."""

    async def take(self, code: str) -> SubmitAnswer:
        raise EngineFaultError(FaultKind.TIMEOUT, "ReadTimeout")


async def test_an_engine_that_may_have_a_task_keeps_its_code_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "UNFIT_SECONDS", 60)
    one, two = Swallowing("http://one"), ScriptedEngine("http://two")
    async with video_parts(tmp_path, one, two, engine_lost_timeout=0.2) as parts:
        await parts.add("a")
        async with at_work(parts.workers[0]):
            given_back = await parts.until("a", lambda task: not task.engine and bool(task.engine_code))
            assert given_back.state is TaskState.PREPARED
            async with at_work(parts.workers[1]):
                await parts.until("a", lambda task: task.accepted_at is not None)
    assert set(one.offered) == {"a"}
    assert two.offered == ["a.2"]


async def test_a_task_whose_engine_is_no_longer_configured_gets_another_code(tmp_path: Path) -> None:
    async with video_parts(tmp_path, ScriptedEngine("http://old")) as parts:
        await parts.add("a")
        async with at_work(*parts.workers):
            await parts.until("a", lambda task: task.accepted_at is not None)
    new = ScriptedEngine("http://new")
    async with video_parts(tmp_path, new) as parts, parts.queue.running():
        await parts.until("a", lambda task: task.engine == "http://new" and task.accepted_at is not None)
    assert new.offered == ["a.2"]


class Occupied(ScriptedEngine):
    """Has a task that is not ours for the first few offers."""

    async def take(self, code: str) -> SubmitAnswer:
        return SubmitAnswer(Submission.BUSY) if len(self.offered) < 4 else await super().take(code)


async def test_a_busy_engine_uses_up_no_code(tmp_path: Path) -> None:
    engine = Occupied()
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        async with at_work(*parts.workers):
            await parts.until("a", lambda task: task.accepted_at is not None)
    assert set(engine.offered) == {"a"}


@pytest.mark.parametrize("code", ["a", "a.b", "任务", "x" * 64])
async def test_claims_are_derived_from_the_code(tmp_path: Path, code: str) -> None:
    async with video_parts(tmp_path, AbsentEngine()) as parts:
        task = await parts.tasks.add(NewTask(code, "a", "v"))
        assert claims_of(task) == 0
        for claim in (1, 2, 10):
            changed = await parts.tasks.change(task, {task.state}, engine_code=engine_code_of(task, claim))
            assert changed is not None
            assert claims_of(changed) == claim


class Mute(ScriptedEngine):
    """Finishes every video and says so to nobody: it hangs at 80 %, or does not answer at all."""

    def __init__(self, video: Path, media: Path, *, silent: bool) -> None:
        super().__init__()
        self._video = video
        self._media = media
        self._silent = silent

    async def take(self, code: str) -> SubmitAnswer:
        (self._media / "temp" / f"{code}-r.mp4").write_bytes(self._video.read_bytes())
        return await super().take(code)

    async def query(self, code: str) -> EngineTask:
        seen = await super().query(code)
        if self._silent and code in self.at_work:
            raise EngineFaultError(FaultKind.TIMEOUT, "ReadTimeout")
        return seen


@pytest.mark.parametrize("silent", [False, True], ids=["hangs", "silent"])
async def test_a_finished_video_is_searched_before_the_attempt_is_abandoned(tmp_path: Path, silent: bool) -> None:
    video = tmp_path / "done.mp4"
    both = ("-f", "lavfi", "-i", "testsrc=d=1:s=160x120:r=25", "-f", "lavfi", "-i", "sine=d=1")
    ffmpeg(*both, "-pix_fmt", "yuv420p", video)
    engine = Mute(video, tmp_path / "media", silent=silent)
    limits = {"engine_lost_timeout": 0.3, "stall_timeout": 0.3, "stall_seconds_per_second": 0}
    async with video_parts(tmp_path, engine, **limits) as parts:
        await parts.add("a", seconds=1)
        async with parts.queue.running():
            task = await parts.until("a", lambda task: not task.is_live)
            assert task.state is TaskState.DONE
            assert engine.offered == ["a"]


SHORT = {"engine_lost_timeout": 0.2, "engine_patience": 1.0}


class Picky(ScriptedEngine):
    """Answers queries; its submit breaks for these tasks, or for all."""

    def __init__(self, broken: Collection[str] | None = None) -> None:
        super().__init__()
        self._broken = broken

    async def take(self, code: str) -> SubmitAnswer:
        if self._broken is None or code.partition(".")[0] in self._broken:
            raise EngineFaultError(FaultKind.SYSTEM_ERROR, "系统异常")
        return await super().take(code)


async def test_waiting_tasks_fail_when_an_engine_accepts_nothing(tmp_path: Path) -> None:
    async with video_parts(tmp_path, Picky(), **SHORT) as parts:
        for code in ("a", "b"):
            await parts.add(code)
        async with parts.queue.running():
            for code in ("a", "b"):
                task = await parts.until(code, lambda task: not task.is_live)
                assert (task.state, task.failure_code, task.attempt) == (TaskState.FAILED, "engine_unavailable", 0)
            assert parts.engines[0].state is VideoEngineState.FAULTY
            assert not parts.queue.ready


async def test_a_task_that_a_healthy_engine_does_not_accept_fails_without_blocking_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "UNFIT_SECONDS", 0.1)
    engine = Picky({"bad"})
    async with video_parts(tmp_path, engine, engine_lost_timeout=0.2, engine_patience=60) as parts:
        await parts.add("bad")
        await parts.add("good")
        async with at_work(*parts.workers):
            await parts.until("good", lambda task: task.accepted_at is not None)
            await parts.queue.cancel(await parts.task("good"))
            engine.at_work.clear()
            task = await parts.until("bad", lambda task: not task.is_live)
    assert (task.state, task.failure_code, task.failure_detail) == (TaskState.FAILED, "engine_refused", "系统异常")


async def test_a_clock_that_is_set_back_makes_no_second_attempt_wait(tmp_path: Path) -> None:
    clock, engine = MovedClock(), ScriptedEngine()
    async with video_parts(tmp_path, engine, clock=clock) as parts:
        task = await parts.add("a")
        await parts.tasks.change(task, {task.state}, not_before=clock.time() + 20)
        async with at_work(*parts.workers):
            await asyncio.sleep(0.5)
            assert engine.offered == []
            clock.moved = -40 * 86400.0
            await parts.until("a", lambda task: task.accepted_at is not None)


class Crashing(ScriptedEngine):
    """Dies with each of the first tasks that it takes, and comes back without them."""

    def __init__(self, *, crashes: int) -> None:
        super().__init__()
        self.crashes = crashes
        self._away = 0

    async def take(self, code: str) -> SubmitAnswer:
        answer = await super().take(code)
        if self.crashes:
            self.crashes, self._away = self.crashes - 1, 3
        return answer

    async def query(self, code: str) -> EngineTask:
        if self._away:
            self._away -= 1
            self.at_work.clear()
            raise EngineFaultError(FaultKind.UNREACHABLE, "ConnectError")
        return await super().query(code)


async def test_an_engine_that_was_gone_costs_a_task_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "LONGEST_WAIT", 0.1)
    engine = Crashing(crashes=5)
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        async with at_work(*parts.workers):
            task = await parts.until("a", lambda task: task.progress > 0)
    assert (engine.offered, task.attempt) == (["a", *(f"a.{claim}" for claim in range(2, 7))], 1)


async def test_a_task_that_ends_its_engine_each_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "LONGEST_WAIT", 0.01)
    engine = Crashing(crashes=100)
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        async with at_work(*parts.workers):
            task = await parts.until("a", lambda task: not task.is_live)
    assert task.failure_code == "engine_lost"
    assert len(engine.offered) <= rendering.MAX_CLAIMS + 1


async def test_others_go_before_a_task_that_was_interrupted_again(tmp_path: Path) -> None:
    engine = Crashing(crashes=2)
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        await parts.add("b")
        async with at_work(*parts.workers):
            await parts.until("b", lambda task: task.accepted_at is not None)
    assert engine.offered == ["a", "a.2", "b"]


async def test_a_gateway_that_was_gone_costs_a_task_no_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "LONGEST_WAIT", 0.1)
    for run in range(1, 5):
        async with video_parts(tmp_path, ScriptedEngine()) as parts:
            if run == 1:
                await parts.add("a")
            async with parts.queue.running():
                task = await parts.until("a", lambda task, run=run: claims_of(task) == run and task.progress > 0)  # type: ignore[misc]
    assert task.attempt == 1


async def test_an_engine_that_forgets_a_task_in_service_has_two_attempts(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    async with video_parts(tmp_path, engine) as parts:
        await parts.add("a")
        async with at_work(*parts.workers):
            for code in ("a", "a.2"):
                await parts.until("a", lambda task, code=code: task.engine_code == code and task.progress > 0)  # type: ignore[misc]
                engine.at_work.clear()
            task = await parts.until("a", lambda task: not task.is_live)
    assert (task.failure_code, engine.offered) == ("engine_lost", ["a", "a.2"])
