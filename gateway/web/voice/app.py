"""The voice entry as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from gateway.settings import VoiceSettings
from gateway.web.docs import Landing
from gateway.web.entry import create_entry, create_shared
from gateway.web.voice.addresses import meant_paths
from gateway.web.voice.admin import admin_routes
from gateway.web.voice.archive import archive_routes
from gateway.web.voice.health import health_routes
from gateway.web.voice.openai import openai_routes
from gateway.web.voice.speech import speech_routes
from gateway.web.voice.state import VoiceState, open_voice
from gateway.web.voice.text_stream import text_stream
from gateway.web.voice.voices import voice_routes


def create_voice_app(*, settings: VoiceSettings) -> Starlette:
    """The voice entry (9090)."""
    shared = create_shared(entry="voice", settings=settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[VoiceState]:
        async with open_voice(settings=settings, shared=shared) as state:
            yield state

    return create_entry(
        title="Twinport Voice",
        about=Landing(
            chinese="声音克隆：上传一段录音，用它的声音朗读任意文字。",
            english="Cloned speech: make a voice of a recording, then speak with it.",
            self_tests=("curl ENTRY/health", 'curl "ENTRY/v1/voices?device_id=test"'),
        ),
        settings=settings,
        shared=shared,
        # They are tried in turn: first speech, which is requested most; fixed paths before those with a voice's id in
        # the same place.
        routes=[*openai_routes, *speech_routes, *health_routes, *archive_routes, *voice_routes, *admin_routes],
        lifespan=lifespan,
        meant=meant_paths,
        sockets=[text_stream],
    )
