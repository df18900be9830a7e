"""The video queue's parts around engines that a test scripts, within the test's own process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client import CollectorRegistry

from gateway.domain.task import Task, TaskState
from gateway.infrastructure.database import open_database
from gateway.infrastructure.duix import (
    DuixClient,
    EngineFaultError,
    EngineTask,
    FaultKind,
    Stage,
    Submission,
    SubmitAnswer,
)
from gateway.infrastructure.media_folder import MediaFolder
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.tasks import TaskStore
from gateway.services.video.engines import EngineWatch
from gateway.services.video.metrics import VideoMetrics
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.services.video.preparation import Preparation
from gateway.services.video.queue import VideoQueue
from gateway.services.video.rendering import EngineWorker
from gateway.services.video.retention import Retention
from gateway.settings import VideoSettings


class ScriptedEngine(DuixClient):
    """An engine that takes every task and works on it for ever, unless a test says otherwise."""

    def __init__(self, url: str = "http://engine") -> None:
        super().__init__(httpx.AsyncClient(trust_env=False), url)
        self.offered: list[str] = []
        self.at_work: dict[str, EngineTask] = {}

    async def query(self, code: str) -> EngineTask:
        seen = self.at_work.get(code, EngineTask(Stage.UNKNOWN))
        if seen.stage is not Stage.RUNNING:
            self.at_work.pop(code, None)  # told once
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


@dataclass
class Parts:
    """A queue that runs when a test says so."""

    settings: VideoSettings
    store: TaskStore
    folder: MediaFolder
    outcomes: Outcomes
    pause: DiskPause
    engines: list[EngineWatch]
    workers: list[EngineWorker]
    preparation: Preparation
    retention: Retention
    queue: VideoQueue

    async def add(self, code: str, *, state: TaskState = TaskState.PREPARED, seconds: float = 1.0) -> Task:
        """A task in some state before it is given to an engine, with inputs that are no media."""
        inputs = self.folder.inputs_of(code)
        inputs.folder.mkdir()
        for path in (inputs.uploaded_audio, inputs.uploaded_video, inputs.audio, inputs.video):
            path.write_bytes(b"x")
        task = await self.store.add(code, audio_url="a", video_url="v", options={})
        if state is TaskState.SUBMITTED:
            return task
        changed = await self.store.change(task, {TaskState.SUBMITTED}, state=state, audio_seconds=seconds)
        assert changed is not None
        return changed

    async def task(self, code: str) -> Task:
        found = await self.store.get(code)
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
async def video_parts(folder: Path, *clients: DuixClient, **settings: object) -> AsyncIterator[Parts]:
    """All parts around these engines; nothing runs yet.

    Args:
        folder: for data and media; a second call on it takes up what the first left.
        clients: the engines.
        settings: by their names.
    """
    quick = {"engine_poll_interval": 0.02, "engine_warm_up": 0, "min_free_bytes": 0}
    urls = ",".join(client.url for client in clients) or "http://none"
    chosen = VideoSettings.model_validate(
        {**quick, "data_dir": folder / "data", "media_dir": folder / "media", "duix_url": urls, **settings}
    )
    database = await open_database(chosen.resolved_database_url)
    try:
        yield await _assemble(chosen, list(clients), await TaskStore.open(database))
    finally:
        await database.dispose()


async def _assemble(settings: VideoSettings, clients: list[DuixClient], store: TaskStore) -> Parts:
    media = MediaFolder(settings.media_dir)
    media.prepare()
    metrics = VideoMetrics(CollectorRegistry(), media_dir=settings.media_dir)
    outcomes = Outcomes(store=store, folder=media, metrics=metrics)
    pause = DiskPause(settings.media_dir, reserve=settings.min_free_bytes)
    sandbox, probes = Sandbox(1), Sandbox(1)
    patience = settings.engine_busy_patience
    engines = [EngineWatch(client, warm_up=0, busy_patience=patience) for client in clients]
    claims = asyncio.Lock()
    workers = [
        EngineWorker(
            engine=engine,
            store=store,
            folder=media,
            sandbox=probes,
            outcomes=outcomes,
            metrics=metrics,
            pause=pause,
            settings=settings,
            claims=claims,
        )
        for engine in engines
    ]
    preparation = Preparation(
        store=store, folder=media, sandbox=sandbox, probes=probes, outcomes=outcomes, pause=pause, settings=settings
    )
    retention = Retention(store=store, folder=media, settings=settings)
    queue = VideoQueue(
        store=store,
        folder=media,
        engines=engines,
        workers=workers,
        preparation=preparation,
        retention=retention,
        outcomes=outcomes,
        pause=pause,
        settings=settings,
    )
    return Parts(settings, store, media, outcomes, pause, engines, workers, preparation, retention, queue)


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
