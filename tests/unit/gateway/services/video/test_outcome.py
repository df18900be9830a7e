"""How tasks end, in the record and among the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.video.engine import Submission, SubmitAnswer
from gateway.domain.video.task import TaskState
from tests.support.video_parts import ScriptedEngine, video_parts


@pytest.mark.parametrize("words", ["\ud800", "a\0b"])
async def test_an_engine_s_message_can_always_be_recorded(tmp_path: Path, words: str) -> None:
    class Odd(ScriptedEngine):
        async def take(self, code: str) -> SubmitAnswer:
            return SubmitAnswer(Submission.REFUSED, words)

    async with video_parts(tmp_path, Odd()) as parts:
        await parts.add("a")
        async with parts.queue.running():
            failed = await parts.until("a", lambda task: not task.is_live)
            assert failed.failure_code == "engine_refused"
            assert "\0" not in failed.failure_detail


async def test_a_task_that_has_ended_stays_as_it_ended(tmp_path: Path) -> None:
    async with video_parts(tmp_path, ScriptedEngine()) as parts:
        task = await parts.add("a")
        assert await parts.outcomes.cancel(task) is not None
        assert not parts.media.inputs_of("a").folder.exists()
        await parts.outcomes.fail(task, "engine_error")
        assert await parts.outcomes.cancel(task) is None
        assert (await parts.task("a")).state is TaskState.CANCELLED
