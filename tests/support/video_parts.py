"""The video queue's parts around engines that a test scripts, within the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from gateway.domain.clock import Clock
from gateway.domain.video.engine import (
    EngineFaultError,
    EngineTask,
    FaultKind,
    ForwardedAnswer,
    ForwardedCall,
    Stage,
    Submission,
    SubmitAnswer,
)
from gateway.domain.video.ports import VideoEngine
from gateway.domain.video.task import NewTask, Task, TaskState
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.database import open_database
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from gateway.infrastructure.video.media_folder import MediaFolder
from gateway.infrastructure.video.media_owners import MediaOwners
from gateway.infrastructure.video.tasks import Tasks
from gateway.services.usage import Usage
from gateway.services.video.engines import EngineWatch
from gateway.services.video.library import MediaLibrary
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.services.video.preparation import Preparation
from gateway.services.video.queue import VideoQueue
from gateway.services.video.rendering import EngineWorker
from gateway.services.video.retention import Retention
from gateway.settings import VideoSettings
from gateway.web.video.state import assemble
from tests.support.usage import usage_of


class ScriptedEngine:
    """An engine that takes every task and works on it for ever, unless a test says otherwise."""

    def __init__(self, url: str = "http://engine") -> None:
        self.url = url
        self.offered: list[str] = []
        self.at_work: dict[str, EngineTask] = {}

    async def probe(self) -> None:
        await self.query("")

    async def forward(self, call: ForwardedCall) -> ForwardedAnswer:
        return ForwardedAnswer(200, "text/plain", call.body)

    async def query(self, code: str) -> EngineTask:
        seen = self.at_work.get(code, EngineTask(Stage.UNKNOWN))
        if seen.stage is not Stage.RUNNING:
            self.at_work.pop(code, None)  # reported once
        return seen

    async def submit(self, *, code: str, audio: str, video: str, options: Mapping[str, object]) -> SubmitAnswer:
        self.offered.append(code)
        return await self.take(code)

    async def take(self, code: str) -> SubmitAnswer:
        """What becomes of an offer."""
        self.at_work[code] = EngineTask(Stage.RUNNING, 20)
        return SubmitAnswer(Submission.ACCEPTED)


class AbsentEngine(ScriptedEngine):
    """Nothing listens there."""

    async def query(self, code: str) -> EngineTask:
        raise EngineFaultError(FaultKind.UNREACHABLE, "ConnectError")


class MovedClock(SystemClock):
    """The machine's clock, and what a test adds to its Unix seconds."""

    moved = 0.0

    def time(self) -> float:
        return super().time() + self.moved


@dataclass
class Parts:
    """A queue that runs when a test says so."""

    settings: VideoSettings
    tasks: Tasks
    media: MediaFolder
    tools: Ffmpeg
    outcomes: Outcomes
    pause: DiskPause
    engines: Sequence[EngineWatch]
    workers: Sequence[EngineWorker]
    preparation: Preparation
    retention: Retention
    queue: VideoQueue

    async def add(self, code: str, *, state: TaskState = TaskState.PREPARED, seconds: float = 1.0) -> Task:
        """A task in some state before it is given to an engine, with inputs that are no media."""
        inputs = self.media.inputs_of(code)
        inputs.folder.mkdir()
        for path in (inputs.uploaded_audio, inputs.uploaded_video, inputs.audio, inputs.video):
            path.write_bytes(b"x")
        task = await self.tasks.add(NewTask(code, "a", "v"))
        if state is TaskState.SUBMITTED:
            return task
        changed = await self.tasks.change(task, {TaskState.SUBMITTED}, state=state, audio_seconds=seconds)
        assert changed is not None
        return changed

    async def task(self, code: str) -> Task:
        found = await self.tasks.get(code)
        assert found is not None
        return found

    async def until(self, code: str, condition: Callable[[Task], bool], seconds: float = 20) -> Task:
        """Wait until a task is so."""
        deadline = time.monotonic() + seconds
        while not condition(task := await self.task(code)):
            assert time.monotonic() < deadline, task
            await asyncio.sleep(0.02)
        return task


@asynccontextmanager
async def video_parts(
    folder: Path, *engines: VideoEngine, clock: Clock | None = None, **settings: object
) -> AsyncIterator[Parts]:
    """All parts around these engines; nothing runs yet.

    Args:
        folder: for data and media; a second call on it takes up what the first left.
        engines: scripted ones.
        clock: the machine's own by default.
        settings: by their names.
    """
    quick = {"engine_poll_interval": 0.02, "engine_warm_up": 0, "min_free_bytes": 0}
    urls = ",".join(engine.url for engine in engines) or "http://none"
    chosen = VideoSettings.model_validate(
        {**quick, "data_dir": folder / "data", "media_dir": folder / "media", "duix_url": urls, **settings}
    )
    database = await open_database(chosen.resolved_database_url)
    try:
        owners = await MediaOwners.open(database)
        tasks = await Tasks.open(database, clock=clock)
        yield _joined(chosen, engines, tasks, owners, usage_of(database), clock or SystemClock())
    finally:
        await database.dispose()


def _joined(
    settings: VideoSettings,
    engines: Sequence[VideoEngine],
    tasks: Tasks,
    owners: MediaOwners,
    usage: Usage,
    clock: Clock,
) -> Parts:
    media = MediaFolder(settings.media_dir)
    media.prepare()
    tools = Ffmpeg(conversions=Sandbox(1), probes=Sandbox(1))
    made = assemble(
        settings=settings,
        registry=CollectorRegistry(),
        engines=engines,
        tasks=tasks,
        media=media,
        library=MediaLibrary(media, owners),
        usage=usage,
        tools=tools,
        clock=clock,
    )
    return Parts(
        settings,
        tasks,
        media,
        tools,
        made.outcomes,
        made.pause,
        made.engines,
        made.workers,
        made.preparation,
        made.retention,
        made.queue,
    )


@asynccontextmanager
async def at_work(*workers: EngineWorker) -> AsyncIterator[None]:
    """Let workers work within the context."""
    running = [asyncio.create_task(worker.run_forever()) for worker in workers]
    try:
        yield
    finally:
        for worker in running:
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker
