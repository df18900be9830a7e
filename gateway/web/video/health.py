"""Is the entry up, and can it make a video: two questions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from gateway.services.video.queue import VideoQueue
from gateway.settings import VideoSettings
from gateway.web.health import entry_health
from gateway.web.openapi import operation
from gateway.web.routing import Route
from gateway.web.video.models import Readiness, VideoHealth


@operation(summary="State of the entry", tag="operation", answer=VideoHealth, public=True)
async def health(request: Request) -> Response:
    """Answers 200 as soon as the entry is up, whatever the engines do; their state is told besides."""
    settings: VideoSettings = request.state.video_settings
    queue: VideoQueue = request.state.queue
    state = VideoHealth(
        **entry_health("video", settings).model_dump(),
        ready=queue.ready,
        paused=queue.paused,
        waiting=queue.store.waiting_count,
        engines=[dict(engine.view()) for engine in queue.engines],
    )
    return JSONResponse(state.model_dump(mode="json"))


@operation(
    summary="Whether a task would be worked on now",
    tag="operation",
    answer=Readiness,
    errors={503: "No engine can serve, or the disk is full; the message tells which."},
    public=True,
)
async def ready(request: Request) -> Response:
    """200 only when an engine answers as it should, has warmed up, has living workers, and the disk has room."""
    queue: VideoQueue = request.state.queue
    queue.require_ready()
    return JSONResponse(Readiness(engine_mode=request.state.settings.engine_mode).model_dump(mode="json"))


health_routes: list[BaseRoute] = [Route("/health", health), Route("/ready", ready)]
