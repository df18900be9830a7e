"""Liveness, which always answers, and readiness, which reports whether synthesis can work."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from pydantic import BaseModel, Field

from gateway.web.health import EntryHealth, entry_health
from gateway.web.language import preferred_language
from gateway.web.operation import NO_STORE
from gateway.web.routing import operation
from gateway.web.voice.state import VoiceRequest


class DownloadView(BaseModel):
    """Progress of the model's download."""

    bytes: int
    total_bytes: int | None
    percent: float | None
    bytes_per_second: float | None


class EngineView(BaseModel):
    """The engine's state."""

    state: str = Field(description="starting, downloading, loading, ready, failed or unreachable.")
    message: str = Field(description="The state as a sentence.")
    model: str
    sample_rate: int | None
    download: DownloadView | None


class QueueView(BaseModel):
    """Requests that wait for the engine."""

    waiting: int
    limit: int


class VoiceHealth(EntryHealth):
    """State of the voice entry."""

    engine: EngineView
    queue: QueueView


class Readiness(BaseModel):
    """Synthesis can work."""

    ready: Literal[True] = True


@operation(
    "GET",
    "/health",
    summary="State of the entry and its engine",
    tag="operation",
    headers=NO_STORE,
    public=True,
    probe=True,
    quiet=True,
)
async def get_health(request: VoiceRequest) -> VoiceHealth:
    """Answers 200 at once as soon as the entry is up, whatever the engine does."""
    settings = request.state["voice_settings"]
    state, language = request.state["engine"].state, preferred_language(request.headers)
    clock, trouble = request.state["steady_clock"].check(), request.state["storage"].trouble
    shared = entry_health("voice", settings, clock, trouble=trouble, language=language)
    return VoiceHealth(
        **shared.model_dump(),
        engine=EngineView(
            state=state.status.value,
            message=state.sentence(language),
            model=state.model,
            sample_rate=state.sample_rate,
            download=DownloadView(**asdict(state.download)) if state.download else None,
        ),
        queue=QueueView(waiting=request.state["queue"].waiting, limit=settings.queue_size),
    )


@operation(
    "GET",
    "/ready",
    summary="Whether synthesis can work",
    tag="operation",
    errors={503: "Not ready; the message says what the engine does."},
    public=True,
    probe=True,
    quiet=True,
)
async def get_readiness(request: VoiceRequest) -> Readiness:
    """200 only when the engine can speak."""
    request.state["engine"].require_ready()
    return Readiness()


health_routes = [get_health, get_readiness]
