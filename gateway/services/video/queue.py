"""The queue as the routes see it: submit, cancel, describe; and the loops behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from gateway.domain.access import ANYBODY, Caller
from gateway.domain.clock import Clock
from gateway.domain.errors import ErrorKind, GatewayError, Language, invalid_request
from gateway.domain.storage import StorageError
from gateway.domain.usage import Work
from gateway.domain.video.engine import EngineFaultError, FaultKind, ForwardedAnswer, ForwardedCall, VideoEngineState
from gateway.domain.video.ports import MediaStore, StoredFile, TaskRepository
from gateway.domain.video.task import WAITING, NewTask, Task, TaskState, inputs_key, task_key, task_view
from gateway.domain.video.turns import has_place
from gateway.services.loops import forever, in_background
from gateway.services.usage import Usage
from gateway.services.video.engines import EngineWatch
from gateway.services.video.library import MediaLibrary
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.services.video.preparation import Preparation
from gateway.services.video.rendering import EngineWorker
from gateway.services.video.repeats import Repeats
from gateway.services.video.retention import Retention

log = structlog.stdlib.get_logger(__name__)

PATIENCE_CHECK_SECONDS = 5.0


def task_queue_full(size: int) -> GatewayError:
    """The queue is full."""
    return GatewayError(
        "queue_full",
        ErrorKind.TEMPORARY,
        zh=f"排队任务已满（{size} 个），请稍后再试。",
        en=f"The queue is full ({size} tasks). Try again later.",
        retry_after=30,
    )


def engine_not_ready() -> GatewayError:
    """No engine can be reached at the moment."""
    return GatewayError(
        "engine_not_ready",
        ErrorKind.TEMPORARY,
        zh="视频引擎正在启动，请稍候。",
        en="The video engine is starting. Try again in a moment.",
        retry_after=10,
    )


def engine_failed() -> GatewayError:
    """The engine did not answer a forwarded call."""
    return GatewayError(
        "engine_failed",
        ErrorKind.ENGINE_FAILED,
        zh="视频引擎没有正常应答。",
        en="The video engine did not answer as it should.",
    )


def queue_paused() -> GatewayError:
    """The disk is too full for another video."""
    return GatewayError(
        "queue_paused",
        ErrorKind.TEMPORARY,
        zh="服务器磁盘已满，队列已暂停，清理磁盘后自动继续。",
        en="The server's disk is full and the queue is paused. It continues by itself once there is free space.",
        retry_after=30,
    )


def input_missing(name: str) -> GatewayError:
    """A submit names a missing file."""
    return invalid_request(
        "找不到上传的音频文件，请重新上传。" if name == "audio_url" else "找不到上传的视频文件，请重新上传。",
        f"The file that {name} names is not there. Upload it again.",
        param=name,
        code="input_missing",
    )


@dataclass(frozen=True)
class QueueRules:
    """Bounds of the queue.

    Attributes:
        size: maximum number of live tasks.
        patience: seconds until a task fails while no engine is in service.
    """

    size: int
    patience: float


class VideoQueue:
    """Tasks from submit to their end."""

    def __init__(  # noqa: PLR0913 - the parts of the queue
        self,
        *,
        tasks: TaskRepository,
        media: MediaStore,
        library: MediaLibrary,
        usage: Usage,
        engines: list[EngineWatch],
        workers: list[EngineWorker],
        preparation: Preparation,
        retention: Retention,
        outcomes: Outcomes,
        pause: DiskPause,
        rules: QueueRules,
        clock: Clock,
    ) -> None:
        self.tasks = tasks
        self.engines = engines
        self._media = media
        self._library = library
        self._usage = usage
        self._workers = workers
        self._preparation = preparation
        self._retention = retention
        self._outcomes = outcomes
        self._pause = pause
        self._rules = rules
        self._clock = clock
        self._repeats = Repeats(media, library)
        self._intake = asyncio.Lock()
        self._unpaused_at = self._clock.monotonic()
        self._waiting_since: dict[int, float] = {}  # by place in the order of submission; monotonic seconds

    async def submit(
        self, code: str, *, audio_url: str, video_url: str, options: Mapping[str, Any], caller: Caller = ANYBODY
    ) -> Task:
        """Record a task and keep its inputs; the same request again is the same task.

        Another request under a used code is a new task in place of the one that has ended.

        Raises:
            GatewayError: ``input_missing`` (400), ``code_in_use`` or ``code_reused`` (409), ``daily_limit`` (429),
                ``queue_full`` (503).
            StorageError: the task may be recorded all the same, where the answer to the commit was lost.
        """
        # Not every database has room for NUL.
        audio_url, video_url = audio_url.replace("\0", "%00"), video_url.replace("\0", "%00")
        new = NewTask(code, audio_url, video_url, options, caller.owner, caller.source)
        # A submit that has begun is finished even if its request ends: a partial one would be a lost task.
        return await asyncio.shield(self._take(new, caller))

    async def _take(self, new: NewTask, caller: Caller) -> Task:
        while True:
            known = await self.tasks.get(new.code)
            # Outside the lock: files may have to be read.
            repeat = known is not None and await self._repeats.is_repeat(known, new, caller)
            async with self._intake:
                current = await self.tasks.get(new.code)
                if (current.seq if current else None) != (known.seq if known else None):
                    continue  # another submit was faster
                if current is not None and repeat:
                    return current
                if current is not None:
                    self._repeats.require_replaceable(current, caller)
                return await self._record(new, current, caller)

    async def _record(self, new: NewTask, replaced: Task | None, caller: Caller) -> Task:
        self._usage.require(caller.owner.key_id, Work.VIDEO_SECONDS)
        if not has_place(self.tasks.live(), caller.source, size=self._rules.size):
            raise task_queue_full(self._rules.size)
        key, folder = task_key(new.code), inputs_key(new.code, replaced.run + 1 if replaced else 1)
        try:
            await asyncio.to_thread(self._hold, folder, new, caller)
            if replaced is None:
                await asyncio.to_thread(self._media.drop_output, key)
            await self._library.claim_result(key, caller)
            task = await self.tasks.add(new, replaces=replaced)
        except GatewayError:
            # Where the database does not say either, the inputs stay, for retention to judge.
            with suppress(StorageError):
                recorded = await self.tasks.get(new.code)
                if recorded is None or recorded.inputs_key != folder:
                    await asyncio.to_thread(self._media.drop_inputs, folder)
            raise
        if replaced is not None:
            await asyncio.to_thread(self._media.drop_output, key)
        log.info("task submitted", task=new.code, run=task.run)
        return task

    def _hold(self, folder: str, new: NewTask, caller: Caller) -> None:
        found = {}
        for name, url in (("audio_url", new.audio_url), ("video_url", new.video_url)):
            path = self._library.find_upload(url, caller)
            if path is None:
                raise input_missing(name)
            found[name] = path
        try:
            self._media.hold_inputs(folder, found["audio_url"], found["video_url"])
        except FileNotFoundError as error:
            raise input_missing("audio_url") from error

    async def cancel(self, task: Task) -> Task:
        """Cancel a task that has not ended; one that has is unchanged."""
        return await self._outcomes.cancel(task) or await self.tasks.get(task.code) or task

    def shown(self, task: Task) -> Task:
        """The task for all routes; a video that has expired is a failure, never a result."""
        if task.state is TaskState.DONE and not self._media.result_of(task):
            return replace(task, state=TaskState.FAILED, progress=0, failure_code="expired")
        return task

    def view(self, task: Task, language: Language) -> dict[str, object]:
        """The answer of ``/easy/query`` for a task."""
        task = self.shown(task)
        return task_view(task, msg=self._progress_sentence(task, language), language=language)

    def find_download(self, path: str, caller: Caller = ANYBODY) -> StoredFile | None:
        """The caller's file that a download asks for; a video that an engine is still writing is not found."""
        return self._library.find_download(path, caller, unfinished={task.engine_code for task in self.tasks.live()})

    async def forward(self, call: ForwardedCall) -> ForwardedAnswer:
        """Pass a call on to the first engine that can be reached.

        Raises:
            GatewayError: ``engine_not_ready`` or ``engine_failed``.
            ValueError: the address is too long for the engine.
        """
        reachable = (engine for engine in self.engines if engine.state is not VideoEngineState.STARTING)
        engine = next(reachable, None)
        if engine is None:
            raise engine_not_ready()
        try:
            return await engine.engine.forward(call)
        except EngineFaultError as error:
            raise engine_not_ready() if error.kind is FaultKind.UNREACHABLE else engine_failed() from error

    @property
    def paused(self) -> bool:
        """Whether the disk is too full to continue."""
        return self._pause.active

    @property
    def ready(self) -> bool:
        """Whether a task submitted now would be processed."""
        return not self.paused and any(self._serves(engine) for engine in self.engines)

    def require_ready(self) -> None:
        """Raise the error that prevents a task submitted now.

        Raises:
            GatewayError: ``queue_paused`` or ``engine_not_ready`` (503).
        """
        if self.paused:
            raise queue_paused()
        if not self.ready:
            raise engine_not_ready()

    def _serves(self, engine: EngineWatch) -> bool:
        return engine.state is VideoEngineState.READY

    def _progress_sentence(self, task: Task, language: Language) -> str:
        zh, en = self._progress_words(task)
        return zh if language == "zh" else en

    def _progress_words(self, task: Task) -> tuple[str, str]:
        if task.state is TaskState.RUNNING:
            return "正在生成视频", "The video is being generated"
        ahead = self.tasks.waiting_before(task)
        if self.paused:
            return (
                "服务器磁盘已满，任务已暂停，清理后自动继续",
                "Paused: the server's disk is full; resumes by itself",
            )
        if not any(self._serves(engine) for engine in self.engines):
            if any(engine.state is VideoEngineState.BUSY for engine in self.engines):
                zh, en = "视频引擎正在处理别处提交的任务", "The engine is processing a task from elsewhere"
            else:
                zh, en = "视频引擎正在启动", "The engine is starting"
            return f"{zh}，排队第 {ahead + 1} 位", f"{en}; position {ahead + 1} in the queue"
        return f"排队中，第 {ahead + 1} 位", f"Waiting, position {ahead + 1} in the queue"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all loops within the context; leaving it stops them, and nothing is lost."""
        await asyncio.to_thread(self._media.prepare)
        await asyncio.to_thread(self._media.sweep)
        await self._return_orphans()
        await self._drop_ended_inputs()
        async with in_background(
            *(worker.run_forever() for worker in self._workers),
            self._preparation.inspect_forever(),
            self._preparation.convert_forever(),
            self._retention.run_forever(),
            forever("patience", self._fail_impatient),
        ):
            yield

    async def _return_orphans(self) -> None:
        """Queue tasks again whose engine is no longer configured."""
        known = {engine.engine.url for engine in self.engines}
        for task in self.tasks.live(TaskState.RUNNING):
            if task.engine not in known:
                await self.tasks.change(
                    task, {TaskState.RUNNING}, state=TaskState.PREPARED, engine="", accepted_at=None
                )

    async def _drop_ended_inputs(self) -> None:
        """Delete the inputs of tasks that ended just before the process did; nothing is submitted yet."""
        used = {task.inputs_key for task in self.tasks.live()}
        try:
            for watch in self.engines:
                used |= {task.inputs_key for task in await self.tasks.cancelled_at(watch.engine.url)}
        except StorageError as error:
            log.warning("inputs of ended tasks are left to retention", code=error.code)
            return
        for folder in await asyncio.to_thread(lambda: list(self._media.held_inputs())):
            if folder.name not in used:
                await asyncio.to_thread(self._media.remove, folder)

    async def _fail_impatient(self) -> None:
        await asyncio.sleep(min(PATIENCE_CHECK_SECONDS, self._rules.patience / 3))
        now, waiting = self._clock.monotonic(), self.tasks.live(*WAITING)
        self._waiting_since = {task.seq: self._waiting_since.get(task.seq, now) for task in waiting}
        if self.paused:
            self._unpaused_at = now
            return
        for task in waiting:
            # Checked for each: an engine may become ready, or accept the task, while others' failures are recorded.
            if min(self._unserved_seconds(), now - self._waiting_since[task.seq]) > self._rules.patience:
                await self._outcomes.fail(task, "engine_unavailable", expected=WAITING)

    def _unserved_seconds(self) -> float:
        return self._clock.monotonic() - max(self._unpaused_at, *(engine.in_service_at for engine in self.engines))
