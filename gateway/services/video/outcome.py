"""How a task ends: the record first, then the files it no longer needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

import structlog

from gateway.domain.task import LIVE, Task, TaskState
from gateway.domain.task_failures import MAX_DETAIL_CHARS
from gateway.infrastructure.media import MediaInfo
from gateway.infrastructure.media_folder import MediaFolder
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.metrics import VideoMetrics

log = structlog.stdlib.get_logger(__name__)


class Outcomes:
    """Ends tasks."""

    def __init__(self, *, store: TaskStore, folder: MediaFolder, metrics: VideoMetrics) -> None:
        self._store = store
        self._folder = folder
        self._metrics = metrics

    async def fail(self, task: Task, code: str, detail: str = "", *, expected: Collection[TaskState] = LIVE) -> None:
        """Record a failure of a task that is still in one of the expected states.

        Raises:
            GatewayError: ``storage_full`` (507); the task is as it was.
        """
        ended = await self._store.change(
            task,
            expected,
            state=TaskState.FAILED,
            progress=0,
            finished_at=time.time(),
            failure_code=code,
            failure_detail=_storable(detail),
        )
        if ended is not None:
            self._metrics.failures.labels(code).inc()
            log.warning("task failed", task=task.code, code=code, detail=detail)
        current = await self._store.get(task.code)
        if current is None or not current.is_live:
            await asyncio.to_thread(self._folder.drop_inputs, task.key)

    async def cancel(self, task: Task) -> Task | None:
        """Record that nobody wants the task any more; None where it has ended already.

        Raises:
            GatewayError: ``storage_full`` (507); the task is as it was.
        """
        ended = await self._store.change(
            task, LIVE, state=TaskState.CANCELLED, progress=0, finished_at=time.time(), failure_code="cancelled"
        )
        if ended is not None and not ended.engine:
            await asyncio.to_thread(self._folder.drop_inputs, task.key)
        return ended

    async def finish(self, task: Task, video: MediaInfo) -> None:
        """Record the finished video, which lies in its final place already.

        Raises:
            GatewayError: ``storage_full`` (507); the task is still running.
        """
        size = self._folder.output(task).stat().st_size
        ended = await self._store.change(
            task,
            {TaskState.RUNNING},
            state=TaskState.DONE,
            progress=100,
            finished_at=time.time(),
            result_seconds=video.seconds or 0.0,
            result_bytes=size,
            width=video.picture.width if video.picture else 0,
            height=video.picture.height if video.picture else 0,
        )
        if ended is None:
            self._folder.output(task).unlink(missing_ok=True)
        else:
            self._metrics.observe_done(ended)
            log.info("task done", task=task.code, seconds=ended.result_seconds, bytes=size)
        await asyncio.to_thread(self._folder.drop_inputs, task.key)


def _storable(detail: str) -> str:
    # An engine may say what no database takes: NUL, halves of surrogate pairs.
    return detail.encode(errors="replace").decode().replace("\0", "?")[:MAX_DETAIL_CHARS]
