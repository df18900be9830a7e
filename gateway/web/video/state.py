"""The shared state of the video entry's routes, created at its start and closed at its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import httpx
from httpx_aiohttp import AiohttpTransport
from prometheus_client import CollectorRegistry
from starlette.requests import Request

from gateway.domain.access import Caller
from gateway.domain.clock import Clock
from gateway.domain.device import check_device_id
from gateway.domain.incoming import IncomingFiles
from gateway.domain.usage import UsageRecords, Work
from gateway.domain.video.ports import MediaStore, MediaTools, TaskRepository, VideoEngine
from gateway.infrastructure.clock import SystemClock
from gateway.infrastructure.database import opened_database, probe_storage
from gateway.infrastructure.folder_lock import own_folder
from gateway.infrastructure.incoming import IncomingFolder
from gateway.infrastructure.sandbox import Sandbox
from gateway.infrastructure.steady_clock import ClockKeeper, is_unused, load_clock
from gateway.infrastructure.usage import UsageTable
from gateway.infrastructure.video.duix import DuixEngine
from gateway.infrastructure.video.faces import MtcnnFinder
from gateway.infrastructure.video.ffmpeg import Ffmpeg
from gateway.infrastructure.video.media_folder import MediaFolder
from gateway.infrastructure.video.media_owners import MediaOwners
from gateway.infrastructure.video.tasks import Tasks
from gateway.infrastructure.voice_detector import voice_detector
from gateway.services.loops import in_background
from gateway.services.usage import Usage
from gateway.services.video.engines import EngineWatch
from gateway.services.video.face_check import FaceCheck
from gateway.services.video.library import MediaLibrary
from gateway.services.video.metrics import VideoMetrics
from gateway.services.video.outcome import Outcomes
from gateway.services.video.pause import DiskPause
from gateway.services.video.preparation import Preparation, PreparationRules
from gateway.services.video.queue import QueueRules, VideoQueue
from gateway.services.video.rendering import EngineWorker, RenderingRules
from gateway.services.video.retention import Retention, RetentionRules
from gateway.settings import VideoSettings
from gateway.web.caller import caller_of
from gateway.web.entry import CommonState, Shared, common_state, create_usage, open_resumable_uploads
from gateway.web.params import in_utf8

# Within the media folder: a finished upload is renamed into it.
PARTIAL = ".partial"


class VideoState(CommonState):
    """Lifespan state of the video entry."""

    queue: VideoQueue
    media: MediaStore
    library: MediaLibrary
    incoming: IncomingFiles
    video_settings: VideoSettings


VideoRequest = Request[VideoState]


def video_caller(request: VideoRequest) -> Caller:
    """Who asks: the holder of the key, for the device in ``X-Device-ID`` where it names one.

    Raises:
        GatewayError: ``invalid_device_id`` (400).
    """
    caller, device_id = caller_of(request.scope), request.headers.get("x-device-id", "")
    if not (caller.owner.key_id and device_id):
        return caller
    owner = replace(caller.owner, device_id=check_device_id(in_utf8(device_id)))
    return replace(caller, owner=owner)


def _media(settings: VideoSettings) -> MediaFolder:
    media = MediaFolder(settings.media_dir)
    media.prepare()
    return media


def _is_new(settings: VideoSettings, media: MediaFolder) -> bool:
    """Whether there is nothing yet that a wrong clock could delete."""
    return is_unused(settings.data_dir) and not any(media.uploads()) and not any(media.results())


def _usage(settings: VideoSettings, shared: Shared, records: UsageRecords, clock: Clock) -> Usage:
    limits = {Work.REQUESTS: settings.key_requests_per_day, Work.VIDEO_SECONDS: settings.key_video_seconds_per_day}
    return create_usage(shared=shared, records=records, clock=clock, limits=limits)


def _engines(settings: VideoSettings, http: httpx.AsyncClient) -> list[DuixEngine]:
    return [DuixEngine(http, url, forward_seconds=settings.forward_timeout) for url in settings.duix_url]


def _watches(settings: VideoSettings, engines: Sequence[VideoEngine], clock: Clock) -> list[EngineWatch]:
    warm_up, busy_patience = settings.warm_up_seconds, settings.engine_busy_patience
    return [EngineWatch(engine, clock=clock, warm_up=warm_up, busy_patience=busy_patience) for engine in engines]


def _tools(settings: VideoSettings) -> Ffmpeg:
    return Ffmpeg(
        conversions=Sandbox(settings.conversion_workers),
        probes=Sandbox(settings.conversion_workers),
        detector=voice_detector,
    )


def _face_check(settings: VideoSettings) -> FaceCheck | None:
    return FaceCheck(MtcnnFinder(Sandbox(settings.conversion_workers))) if settings.looks_for_faces else None


@asynccontextmanager
async def open_video(*, settings: VideoSettings, shared: Shared) -> AsyncIterator[VideoState]:
    """Open the record, resume unfinished tasks, and run the queue while the entry serves.

    Raises:
        SecondGatewayError: another process uses the data folder.
        StorageError: the database can't be reached or migrated.
    """
    with own_folder(settings.data_dir, entry="video"):
        media = _media(settings)
        clock = SystemClock(load_clock(settings.data_dir, is_new=_is_new(settings, media)))
        folders = (settings.data_dir, settings.media_dir)
        async with (
            opened_database(settings.resolved_database_url) as database,
            ClockKeeper(settings.data_dir, clock.steady).running(),
            # The engines are on the inner network: the environment's proxy must not be used.
            httpx.AsyncClient(transport=AiohttpTransport(), trust_env=False) as http,
        ):
            usage = _usage(settings, shared, UsageTable(database, entry="video"), clock)
            library = MediaLibrary(media, await MediaOwners.open(database))
            parts = assemble(
                settings=settings,
                registry=shared.metrics.registry,
                engines=_engines(settings, http),
                tasks=await Tasks.open(database, clock=clock),
                media=media,
                library=library,
                usage=usage,
                tools=_tools(settings),
                clock=clock,
                faces=_face_check(settings),
            )
            async with (
                usage.kept(),
                in_background(shared.storage.watch(lambda: probe_storage(database, *folders))),
                parts.queue.running(),
                open_resumable_uploads(settings.media_dir / PARTIAL, settings=settings, clock=clock) as uploads,
            ):
                yield {
                    **common_state(
                        settings=settings, shared=shared, usage=usage, clock=clock, resumable_uploads=uploads
                    ),
                    "queue": parts.queue,
                    "media": media,
                    "library": library,
                    "incoming": IncomingFolder(settings.media_dir, reserve_bytes=settings.min_free_bytes),
                    "video_settings": settings,
                }


@dataclass(frozen=True)
class VideoParts:
    """The parts of the video entry, joined; nothing runs yet."""

    queue: VideoQueue
    engines: Sequence[EngineWatch]
    workers: Sequence[EngineWorker]
    preparation: Preparation
    retention: Retention
    outcomes: Outcomes
    pause: DiskPause


def assemble(  # noqa: PLR0913 - the parts of the entry
    *,
    settings: VideoSettings,
    registry: CollectorRegistry,
    engines: Sequence[VideoEngine],
    tasks: TaskRepository,
    media: MediaStore,
    library: MediaLibrary,
    usage: Usage,
    tools: MediaTools,
    clock: Clock,
    faces: FaceCheck | None = None,
) -> VideoParts:
    """Join the services around their adapters.

    Args:
        settings: of the entry.
        registry: of its metrics.
        engines: at least one.
    """
    metrics = VideoMetrics(registry, media=media)
    outcomes = Outcomes(tasks=tasks, media=media, metrics=metrics, usage=usage, clock=clock)
    pause = DiskPause(media.space, reserve=settings.min_free_bytes)
    watches = _watches(settings, engines, clock)
    claims, rules, limits = asyncio.Lock(), _rendering_rules(settings), _preparation_rules(settings)
    workers = [
        EngineWorker(
            watch=watch,
            tasks=tasks,
            media=media,
            tools=tools,
            outcomes=outcomes,
            metrics=metrics,
            pause=pause,
            rules=rules,
            clock=clock,
            claims=claims,
        )
        for watch in watches
    ]
    preparation = Preparation(
        tasks=tasks, media=media, tools=tools, outcomes=outcomes, pause=pause, rules=limits, faces=faces
    )
    retention = Retention(tasks=tasks, media=media, library=library, rules=_retention_rules(settings), clock=clock)
    queue = VideoQueue(
        tasks=tasks,
        media=media,
        library=library,
        usage=usage,
        engines=watches,
        workers=workers,
        preparation=preparation,
        retention=retention,
        outcomes=outcomes,
        pause=pause,
        rules=QueueRules(size=settings.queue_size, patience=settings.engine_patience),
        clock=clock,
    )
    metrics.watch(tasks, watches)
    return VideoParts(queue, watches, workers, preparation, retention, outcomes, pause)


def _preparation_rules(settings: VideoSettings) -> PreparationRules:
    return PreparationRules(
        engines=len(settings.duix_url),
        audio_max_seconds=settings.audio_max_seconds,
        conversion_seconds=settings.conversion_timeout,
        max_file_bytes=settings.max_upload_bytes,
    )


def _rendering_rules(settings: VideoSettings) -> RenderingRules:
    return RenderingRules(
        poll_interval=settings.engine_poll_interval,
        lost_after=settings.engine_lost_timeout,
        stalled_after=settings.stall_timeout,
        stalled_after_per_second=settings.stall_seconds_per_second,
        length_tolerance=settings.length_tolerance,
    )


def _retention_rules(settings: VideoSettings) -> RetentionRules:
    return RetentionRules(
        interval=settings.retention_interval,
        results_max_age=settings.results_max_age,
        results_max_bytes=settings.results_max_bytes,
        uploads_max_age=settings.uploads_max_age,
        uploads_max_bytes=settings.uploads_max_bytes,
        leftovers_max_bytes=settings.temp_max_bytes,
        tasks_max_age=settings.tasks_max_age,
    )
