"""A video that is finished although its engine hangs or falls silent is found, not made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.domain.task import TaskState
from gateway.infrastructure.duix import EngineFaultError, EngineTask, FaultKind, SubmitAnswer
from tests.support.video import ffmpeg
from tests.support.video_parts import ScriptedEngine, video_parts


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
async def test_a_finished_video_is_looked_for_before_the_attempt_is_given_up(tmp_path: Path, silent: bool) -> None:
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
