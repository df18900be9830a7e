"""Liveness of the entry, and readiness to make a video."""

from __future__ import annotations

from gateway.web.health import entry_health
from gateway.web.language import preferred_language
from gateway.web.routing import operation
from gateway.web.video.models import Readiness, VideoHealth
from gateway.web.video.state import VideoRequest


@operation("GET", "/health", summary="State of the entry", tag="operation", public=True, probe=True, quiet=True)
async def get_health(request: VideoRequest) -> VideoHealth:
    """Answers 200 as soon as the entry is up, whatever the engines do; their state is among the fields."""
    queue, language = request.state["queue"], preferred_language(request.headers)
    settings, trouble = request.state["settings"], request.state["storage"].trouble
    clock = request.state["steady_clock"].check()
    shared = entry_health("video", settings, clock, trouble=trouble, language=language)
    return VideoHealth(
        **shared.model_dump(),
        ready=queue.ready,
        paused=queue.paused,
        waiting=queue.tasks.waiting_count,
        engines=[dict(engine.view()) for engine in queue.engines],
    )


@operation(
    "GET",
    "/ready",
    summary="Whether a task would be worked on now",
    tag="operation",
    errors={503: "No engine can serve, or the disk is full; the message says which."},
    public=True,
    probe=True,
    quiet=True,
)
async def get_readiness(request: VideoRequest) -> Readiness:
    """200 only when an engine answers correctly, has warmed up, has live workers, and the disk has space."""
    request.state["queue"].require_ready()
    return Readiness(engine_mode=request.state["settings"].engine_mode)


health_routes = [get_health, get_readiness]
