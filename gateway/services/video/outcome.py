"""How a task ends: first the record, then the files that it no longer needs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from gateway.domain.clock import Clock
from gateway.domain.usage import Work
from gateway.domain.video.media import MediaInfo
from gateway.domain.video.ports import MediaStore, TaskRepository
from gateway.domain.video.task import LIVE, Task, TaskState
from gateway.domain.video.task_failures import MAX_DETAIL_CHARS
from gateway.services.usage import Usage
from gateway.services.video.metrics import VideoMetrics
from gateway.services.video.repeats import input_digests

log = structlog.stdlib.get_logger(__name__)


class Outcomes:
    """Ends tasks."""

    def __init__(
        self, *, tasks: TaskRepository, media: MediaStore, metrics: VideoMetrics, usage: Usage, clock: Clock
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._media = media
        self._metrics = metrics
        self._usage = usage

    async def fail(self, task: Task, code: str, detail: str = "", *, expected: Collection[TaskState] = LIVE) -> None:
        """Record a failure of a task that is still in one of the expected states.

        Raises:
            StorageError: the task is as it was.
        """
        ended = await self._tasks.change(
            task,
            expected,
            state=TaskState.FAILED,
            progress=0,
            finished_at=self._clock.time(),
            failure_code=code,
            failure_detail=_storable(detail),
        )
        if ended is not None:
            self._metrics.failures.labels(code).inc()
            log.warning("task failed", task=task.code, code=code, detail=detail)
        current = await self._tasks.get(task.code)
        if current is None or current.seq != task.seq or not current.is_live:
            await asyncio.to_thread(self._media.drop_inputs, task.inputs_key)

    async def cancel(self, task: Task) -> Task | None:
        """Record that the task was cancelled; None where it has ended already.

        Raises:
            StorageError: the task is as it was.
        """
        ended = await self._tasks.change(
            task,
            LIVE,
            state=TaskState.CANCELLED,
            progress=0,
            finished_at=self._clock.time(),
            failure_code="cancelled",
            **(await input_digests(self._media, task) if task.is_live else {}),
        )
        if ended is not None and not ended.engine:
            await asyncio.to_thread(self._media.drop_inputs, task.inputs_key)
        return ended

    async def finish(self, task: Task, video: MediaInfo) -> None:
        """Record the finished video, which is already at its final path.

        Raises:
            StorageError: the task is still running.
        """
        found = self._media.result_of(task)
        if found is None:
            raise FileNotFoundError(task.result_name)
        ended = await self._tasks.change(
            task,
            {TaskState.RUNNING},
            state=TaskState.DONE,
            progress=100,
            finished_at=self._clock.time(),
            result_seconds=video.seconds or 0.0,
            result_bytes=found.size,
            width=video.picture.width if video.picture else 0,
            height=video.picture.height if video.picture else 0,
        )
        if ended is None:
            await asyncio.to_thread(self._media.drop_output, task.key)
        else:
            self._metrics.observe_done(ended)
            self._usage.add(ended.key_id, Work.VIDEO_SECONDS, ended.result_seconds)
            log.info("task done", task=task.code, seconds=ended.result_seconds, bytes=found.size)
        await asyncio.to_thread(self._media.drop_inputs, task.inputs_key)


def _storable(detail: str) -> str:
    # An engine's message may contain what no database accepts: NUL, halves of surrogate pairs.
    return detail.encode(errors="replace").decode().replace("\0", "?")[:MAX_DETAIL_CHARS]
