"""The queue as the routes see it: submit, cancel, tell; and the loops behind it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import structlog

from gateway.domain.errors import GatewayError, Language, invalid_request
from gateway.domain.task import WAITING, Task, TaskState, task_key, task_view
from gateway.infrastructure.files import sweep_temporary
from gateway.infrastructure.media_folder import MediaFolder, is_plain_file
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.engines import EngineState, EngineWatch
from gateway.services.video.loops import forever
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.services.video.preparation import Preparation
from gateway.services.video.rendering import EngineWorker
from gateway.services.video.retention import Retention
from gateway.settings import VideoSettings

log = structlog.stdlib.get_logger(__name__)

PATIENCE_LOOK_SECONDS = 5.0


def queue_full(size: int) -> GatewayError:
    """Too many tasks wait."""
    return GatewayError(
        "queue_full",
        503,
        zh=f"排队任务已满（{size} 个），请稍后再试。",
        en=f"The queue is full ({size} tasks). Try again later.",
        retry_after=30,
    )


def engine_not_ready() -> GatewayError:
    """No engine can be asked just now."""
    return GatewayError(
        "engine_not_ready",
        503,
        zh="视频引擎正在启动，请稍候。",
        en="The video engine is starting. Try again in a moment.",
        retry_after=10,
    )


def queue_paused() -> GatewayError:
    """The disk is too full for another video."""
    return GatewayError(
        "queue_paused",
        503,
        zh="服务器磁盘已满，队列已暂停，清理磁盘后自动继续。",
        en="The server's disk is full and the queue is paused. It goes on by itself once there is room.",
        retry_after=30,
    )


def input_missing(name: str) -> GatewayError:
    """A submit names a file that is not there."""
    return invalid_request(
        "找不到上传的音频文件，请重新上传。" if name == "audio_url" else "找不到上传的视频文件，请重新上传。",
        f"The file that {name} names is not there. Upload it again.",
        param=name,
        code="input_missing",
    )


class VideoQueue:
    """Tasks from submit to their end."""

    def __init__(  # noqa: PLR0913 - the parts of the queue
        self,
        *,
        store: TaskStore,
        folder: MediaFolder,
        engines: list[EngineWatch],
        workers: list[EngineWorker],
        preparation: Preparation,
        retention: Retention,
        outcomes: Outcomes,
        pause: DiskPause,
        settings: VideoSettings,
    ) -> None:
        self.store = store
        self.engines = engines
        self._folder = folder
        self._workers = workers
        self._preparation = preparation
        self._retention = retention
        self._outcomes = outcomes
        self._pause = pause
        self._settings = settings
        self._intake = asyncio.Lock()
        self._unpaused_at = time.monotonic()

    async def submit(self, code: str, *, audio_url: str, video_url: str, options: Mapping[str, Any]) -> Task:
        """Write a task down and keep its inputs; the same code again is the same task.

        Raises:
            GatewayError: ``input_missing`` (400), ``queue_full`` (503), ``storage_full`` (507).
        """
        # A submit that has begun is finished, whatever becomes of its request: half of one would be a lost task.
        return await asyncio.shield(self._take(code, audio_url=audio_url, video_url=video_url, options=options))

    async def _take(self, code: str, *, audio_url: str, video_url: str, options: Mapping[str, Any]) -> Task:
        async with self._intake:
            known = await self.store.get(code)
            if known is not None:
                return known
            if self.store.live_count >= self._settings.queue_size:
                raise queue_full(self._settings.queue_size)
            key = task_key(code)
            await asyncio.to_thread(self._hold, key, audio_url, video_url)
            try:
                task = await self.store.add(code, audio_url=audio_url, video_url=video_url, options=options)
            except GatewayError:
                await asyncio.to_thread(self._folder.drop_inputs, key)
                raise
        log.info("task submitted", task=code)
        return task

    def _hold(self, key: str, audio_url: str, video_url: str) -> None:
        found = {}
        for name, url in (("audio_url", audio_url), ("video_url", video_url)):
            path = self._folder.find_upload(url)
            if path is None:
                raise input_missing(name)
            found[name] = path
        try:
            self._folder.hold_inputs(key, found["audio_url"], found["video_url"])
        except FileNotFoundError as error:
            raise input_missing("audio_url") from error
        self._folder.drop_output(key)

    async def cancel(self, task: Task) -> Task:
        """Cancel a task that has not ended; one that has stays as it is."""
        return await self._outcomes.cancel(task) or await self.store.get(task.code) or task

    def as_told(self, task: Task) -> Task:
        """The task as all routes tell of it; a video that has expired is a failure, never a result."""
        if task.state is TaskState.DONE and not is_plain_file(self._folder.output(task)):
            return replace(task, state=TaskState.FAILED, progress=0, failure_code="expired")
        return task

    def view(self, task: Task, language: Language) -> dict[str, object]:
        """What ``/easy/query`` tells of a task."""
        task = self.as_told(task)
        return task_view(task, msg=self._progress_sentence(task, language), language=language)

    @property
    def paused(self) -> bool:
        """Whether the disk is too full to go on."""
        return self._pause.active

    @property
    def ready(self) -> bool:
        """Whether a task submitted now would be worked on."""
        return not self.paused and any(self._serves(engine) for engine in self.engines)

    def require_ready(self) -> None:
        """Raise what stands in the way of a task submitted now.

        Raises:
            GatewayError: ``queue_paused`` or ``engine_not_ready`` (503).
        """
        if self.paused:
            raise queue_paused()
        if not self.ready:
            raise engine_not_ready()

    def _serves(self, engine: EngineWatch) -> bool:
        return engine.state is EngineState.READY

    def _progress_sentence(self, task: Task, language: Language) -> str:
        zh, en = self._progress_words(task)
        return zh if language == "zh" else en

    def _progress_words(self, task: Task) -> tuple[str, str]:
        if task.state is TaskState.RUNNING:
            return "正在生成视频", "The video is being made"
        ahead = self.store.waiting_before(task)
        if self.paused:
            return "服务器磁盘已满，任务已暂停，清理后自动继续", "Paused: the server's disk is full; goes on by itself"
        if not any(self._serves(engine) for engine in self.engines):
            if any(engine.state is EngineState.BUSY for engine in self.engines):
                zh, en = "视频引擎正在处理别处提交的任务", "The engine works on a task from elsewhere"
            else:
                zh, en = "视频引擎正在启动", "The engine is starting"
            return f"{zh}，排队第 {ahead + 1} 位", f"{en}; place {ahead + 1} in line"
        return f"排队中，第 {ahead + 1} 位", f"Waiting, place {ahead + 1} in line"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all loops within the context; leaving it stops them, and nothing is lost."""
        await asyncio.to_thread(self._folder.prepare)
        await asyncio.to_thread(sweep_temporary, self._folder.root)
        await self._return_orphans()
        loops = [
            *(worker.run_forever() for worker in self._workers),
            self._preparation.inspect_forever(),
            self._preparation.convert_forever(),
            self._retention.run_forever(),
            forever("patience", self._fail_impatient),
        ]
        running = [asyncio.create_task(loop) for loop in loops]
        try:
            yield
        finally:
            for loop in running:
                loop.cancel()
            for loop in running:
                with suppress(asyncio.CancelledError):
                    await loop

    async def _return_orphans(self) -> None:
        """Queue tasks again whose engine is no longer configured."""
        known = {engine.client.url for engine in self.engines}
        for task in self.store.live(TaskState.RUNNING):
            if task.engine not in known:
                await self.store.change(
                    task, {TaskState.RUNNING}, state=TaskState.PREPARED, engine="", accepted_at=None
                )

    async def _fail_impatient(self) -> None:
        await asyncio.sleep(min(PATIENCE_LOOK_SECONDS, self._settings.engine_patience / 3))
        if self.paused:
            self._unpaused_at = time.monotonic()
            return
        for task in self.store.live(*WAITING):
            # Asked for each: an engine may come into service, or take the task, while others' failures are recorded.
            if min(self._unserved_seconds(), time.time() - task.created_at) > self._settings.engine_patience:
                await self._outcomes.fail(task, "engine_unavailable", expected=WAITING)

    def _unserved_seconds(self) -> float:
        return time.monotonic() - max(self._unpaused_at, *(engine.in_service_at for engine in self.engines))
