"""Engines that answer queries and yet take no task: neither a task nor an engine is stuck for ever."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from gateway.domain.task import TaskState
from gateway.infrastructure.duix import EngineFaultError, FaultKind, SubmitAnswer
from gateway.services.video import engines
from tests.support.video_parts import ScriptedEngine, at_work, video_parts

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


async def test_an_engine_that_takes_nothing_is_given_up_by_those_who_wait(tmp_path: Path) -> None:
    async with video_parts(tmp_path, Picky(), **SHORT) as parts:
        for code in ("a", "b"):
            await parts.add(code)
        async with parts.queue.running():
            for code in ("a", "b"):
                task = await parts.until(code, lambda task: not task.is_live)
                assert (task.state, task.failure_code, task.attempt) == (TaskState.FAILED, "engine_unavailable", 0)
            assert parts.engines[0].state is engines.EngineState.FAULTY
            assert not parts.queue.ready


async def test_a_task_that_a_healthy_engine_does_not_take_fails_and_lets_the_others_by(
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
