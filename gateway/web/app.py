"""The two entries as ASGI applications; each factory reads like the entry's table of contents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.infrastructure.database import open_database
from gateway.settings import VoiceSettings
from gateway.web.entry import CommonState, common_state, create_entry, create_shared
from gateway.web.health import EntryHealth, entry_health
from gateway.web.openapi import operation
from gateway.web.video.app import create_video_app

__all__ = ["create_video_app", "create_voice_app"]


def create_voice_app(*, settings: VoiceSettings) -> Starlette:
    """The voice entry (9090)."""
    shared = create_shared(entry="voice", settings=settings)

    @operation(summary="State of the entry", tag="operation", answer=EntryHealth, public=True)
    async def health(_: Request) -> Response:
        """Answers at once, whatever the engine does."""
        return JSONResponse(entry_health("voice", settings).model_dump(mode="json"))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[CommonState]:
        database = await open_database(settings.resolved_database_url)
        try:
            yield common_state(settings=settings, shared=shared)
        finally:
            await database.dispose()

    return create_entry(
        title="Twinport Voice",
        description="Cloned speech: train a voice from a recording, then speak with it.",
        settings=settings,
        shared=shared,
        routes=[Route("/health", health)],
        lifespan=lifespan,
        upload_bytes={"/v1/voices/train": settings.max_upload_bytes},
    )
