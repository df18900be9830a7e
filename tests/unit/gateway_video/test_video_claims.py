"""Which engine makes a task, under which code: never two of them in the same files."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.domain.task import TaskState, claims_of, engine_code_of
from gateway.infrastructure.duix import EngineFaultError, FaultKind, Submission, SubmitAnswer
from gateway.services.video import engines
from tests.support.video_parts import AbsentEngine, ScriptedEngine, at_work, video_parts


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
        dropped, calls = parts.folder.drop_attempt, iter((0.0, 0.3, 0.0))

        def drop(code: str) -> None:
            time.sleep(next(calls))  # a thread pool that is busy
            dropped(code)

        parts.folder.drop_attempt = drop  # type: ignore[method-assign]
        async with at_work(*parts.workers):
            await asyncio.sleep(0.1)
            await parts.add("a")
            await parts.until("a", lambda task: task.accepted_at is not None)
            await asyncio.sleep(0.5)
            assert (parts.folder.temp / "a").exists(), "the loser of the claim deleted the winner's work"
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
async def test_claims_are_told_by_the_code(tmp_path: Path, code: str) -> None:
    async with video_parts(tmp_path, AbsentEngine()) as parts:
        task = await parts.store.add(code, audio_url="a", video_url="v", options={})
        assert claims_of(task) == 0
        for claim in (1, 2, 10):
            changed = await parts.store.change(task, {task.state}, engine_code=engine_code_of(task, claim))
            assert changed is not None
            assert claims_of(changed) == claim
