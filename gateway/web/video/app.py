"""The video entry as an ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from gateway.settings import VideoSettings
from gateway.web.docs import Landing
from gateway.web.entry import create_entry, create_shared
from gateway.web.video.downloads import download_routes
from gateway.web.video.health import health_routes
from gateway.web.video.passthrough import forward_routes
from gateway.web.video.state import VideoState, open_video
from gateway.web.video.tasks import task_routes
from gateway.web.video.uploads import upload_routes


def create_video_app(*, settings: VideoSettings) -> Starlette:
    """The video entry (8383)."""
    shared = create_shared(entry="video", settings=settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[VideoState]:
        async with open_video(settings=settings, shared=shared) as state:
            yield state

    return create_entry(
        title="Twinport Video",
        about=Landing(
            chinese="数字人视频：上传人物视频和语音，合成口型同步的视频。",
            english="Talking-head videos: upload a face and a voice, submit, query, download.",
            self_tests=(
                'curl "ENTRY/easy/query?code=test"',
                'curl -F "audio=@/etc/hosts;filename=audio_test.wav" "ENTRY/upload"',
            ),
        ),
        settings=settings,
        shared=shared,
        routes=[*health_routes, *upload_routes, *task_routes, *download_routes, *forward_routes],
        lifespan=lifespan,
    )
