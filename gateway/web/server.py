"""Serves one entry with uvicorn on uvloop and httptools."""

from __future__ import annotations

import gc
import resource

import uvicorn
from starlette.types import ASGIApp

from gateway.infrastructure.logging import configure_logging
from gateway.settings import CommonSettings, VideoSettings, VoiceSettings
from gateway.web.app import create_video_app, create_voice_app
from gateway.web.protocol import SPARE_CONNECTIONS, BoundedHttpProtocol

KEEP_ALIVE_SECONDS = 75
# The socket, and a file that is sent or a connection to the engine; besides: database, log, helpers' pipes.
FILES_PER_CONNECTION = 2
FILES_BESIDES = 256
# Objects until a look at the young, and how many of those until one at the older: each looks at all streams under way.
GARBAGE_THRESHOLDS = (50_000, 20, 100)


def _allow_files(connections: int) -> None:
    """Raise the process's own limit on open files, often 1024, to what so many connections may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_PER_CONNECTION * (connections + SPARE_CONNECTIONS) + FILES_BESIDES
    if soft not in (resource.RLIM_INFINITY, hard) and soft < needed:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
        )


def _serve(app: ASGIApp, settings: CommonSettings) -> None:
    # What was loaded stays: looking through it again and again would hold streams up for tens of milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    _allow_files(settings.max_connections)
    BoundedHttpProtocol.max_head_bytes = settings.max_header_bytes
    BoundedHttpProtocol.max_connections = settings.max_connections
    BoundedHttpProtocol.unread_seconds = settings.body_idle_timeout
    uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=BoundedHttpProtocol,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=settings.shutdown_timeout,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=list(settings.trusted_proxies),
        )
    ).run()


def run_voice(settings: VoiceSettings) -> None:
    """Serve the voice entry until SIGTERM or SIGINT."""
    configure_logging(level=settings.log_level, fmt=settings.log_format, entry="voice")
    _serve(create_voice_app(settings=settings), settings)


def run_video(settings: VideoSettings) -> None:
    """Serve the video entry until SIGTERM or SIGINT."""
    configure_logging(level=settings.log_level, fmt=settings.log_format, entry="video")
    _serve(create_video_app(settings=settings), settings)
