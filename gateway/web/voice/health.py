"""Liveness, which always answers, and readiness, which tells whether synthesis can work."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import JSONResponse, Response

from gateway.web.health import entry_health
from gateway.web.language import preferred_language
from gateway.web.openapi import operation
from gateway.web.routing import Route
from gateway.web.voice.models import DownloadView, EngineView, QueueView, Readiness, VoiceHealth
from gateway.web.voice.state import VoiceRequest


@operation(summary="State of the entry and its engine", tag="operation", answer=VoiceHealth, public=True)
async def health(request: VoiceRequest) -> Response:
    """Answers 200 at once as soon as the entry is up, whatever the engine does."""
    settings = request.state["voice_settings"]
    state = request.state["engine"].state
    answer = VoiceHealth(
        **entry_health("voice", settings).model_dump(),
        engine=EngineView(
            state=state.status.value,
            message=state.sentence(preferred_language(request.headers)),
            model=state.model,
            sample_rate=state.sample_rate,
            download=DownloadView(**asdict(state.download)) if state.download else None,
        ),
        queue=QueueView(waiting=request.state["queue"].waiting, limit=settings.queue_size),
    )
    return JSONResponse(answer.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


@operation(
    summary="Whether synthesis can work",
    tag="operation",
    answer=Readiness,
    errors={503: "Not yet; the message tells the engine's state."},
    public=True,
)
async def ready(request: VoiceRequest) -> Response:
    """200 only when the engine can speak."""
    request.state["engine"].require_ready()
    return JSONResponse(Readiness().model_dump())


health_routes = [Route("/health", health), Route("/ready", ready)]
