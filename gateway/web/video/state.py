"""What the video entry's routes share, made when the entry starts and stopped with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from httpx_aiohttp import AiohttpTransport

from gateway.infrastructure.database import open_database
from gateway.infrastructure.duix import DuixClient
from gateway.infrastructure.media_folder import MediaFolder
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.tasks import TaskLock, TaskStore
from gateway.services.video.engines import EngineWatch
from gateway.services.video.metrics import VideoMetrics
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.services.video.preparation import Preparation
from gateway.services.video.queue import VideoQueue
from gateway.services.video.rendering import EngineWorker
from gateway.services.video.retention import Retention
from gateway.settings import VideoSettings
from gateway.web.entry import CommonState, Shared, common_state


class VideoState(CommonState):
    """Lifespan state of the video entry."""

    queue: VideoQueue
    folder: MediaFolder
    http: httpx.AsyncClient
    video_settings: VideoSettings


class SecondGatewayError(RuntimeError):
    """Another process works on the same data folder; two pollers would steal each other's answers."""


def _lock(settings: VideoSettings) -> TaskLock:
    path = settings.data_dir / "gateway.lock"
    try:
        return TaskLock(path)
    except BlockingIOError as error:
        raise SecondGatewayError(f"another video entry is running on {settings.data_dir}; stop it first") from error


@asynccontextmanager
async def open_video(*, settings: VideoSettings, shared: Shared) -> AsyncIterator[VideoState]:
    """Open the record, take up what was left, and run the queue while the entry serves.

    Raises:
        SecondGatewayError: another process holds the record.
        sqlalchemy.exc.SQLAlchemyError: the database can't be reached or migrated.
    """
    lock = _lock(settings)
    try:
        database = await open_database(settings.resolved_database_url)
        try:
            # The engines are on the inner network: no proxy of the environment may stand between.
            async with httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False) as http:
                store = await TaskStore.open(database)
                queue, folder = _assemble(settings=settings, shared=shared, http=http, store=store)
                async with queue.running():
                    yield {
                        **common_state(settings=settings, shared=shared),
                        "queue": queue,
                        "folder": folder,
                        "http": http,
                        "video_settings": settings,
                    }
        finally:
            await database.dispose()
    finally:
        lock.release()


def _assemble(
    *, settings: VideoSettings, shared: Shared, http: httpx.AsyncClient, store: TaskStore
) -> tuple[VideoQueue, MediaFolder]:
    folder = MediaFolder(settings.media_dir)
    folder.prepare()
    sandbox, probes = Sandbox(settings.conversion_workers), Sandbox(settings.conversion_workers)
    metrics = VideoMetrics(shared.metrics.registry, media_dir=settings.media_dir)
    outcomes = Outcomes(store=store, folder=folder, metrics=metrics)
    pause = DiskPause(settings.media_dir, reserve=settings.min_free_bytes)
    engines = [
        EngineWatch(
            DuixClient(http, url), warm_up=settings.warm_up_seconds, busy_patience=settings.engine_busy_patience
        )
        for url in settings.duix_url
    ]
    claims = asyncio.Lock()
    workers = [
        EngineWorker(
            engine=engine,
            store=store,
            folder=folder,
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
        store=store, folder=folder, sandbox=sandbox, probes=probes, outcomes=outcomes, pause=pause, settings=settings
    )
    queue = VideoQueue(
        store=store,
        folder=folder,
        engines=engines,
        workers=workers,
        preparation=preparation,
        retention=Retention(store=store, folder=folder, settings=settings),
        outcomes=outcomes,
        pause=pause,
        settings=settings,
    )
    metrics.watch(store, engines)
    return queue, folder
