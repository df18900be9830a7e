"""Serves one entry with uvicorn on uvloop and httptools; the front handles clients' connections."""

from __future__ import annotations

import gc
import logging
import resource
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from gateway.infrastructure.logging import configure_logging
from gateway.settings import CommonSettings, VideoSettings, VoiceSettings
from gateway.web.app import create_video_app, create_voice_app
from gateway.web.http_protocol import HttpProtocol

# Connections beyond the limit that are accepted: for a 503 in the client's language, and for health checks.
SPARE_CONNECTIONS = 64
KEEP_ALIVE_SECONDS = 75
# Per request a socket, and a file or a connection to the engine; besides: database, log, helpers' pipes.
FILES_PER_CONNECTION = 2
# Longest message that a WebSocket takes.
MESSAGE_BYTES = 128 * 1024
FILES_BESIDES = 256
# Thresholds of the garbage collector's generations: each collection examines all active streams.
GARBAGE_THRESHOLDS = (50_000, 20, 100)


def _allow_files(connections: int) -> None:
    """Raise the process's own limit on open files, often 1024, to what this number of connections may need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = FILES_PER_CONNECTION * (connections + SPARE_CONNECTIONS) + FILES_BESIDES
    if soft not in (resource.RLIM_INFINITY, hard) and soft < needed:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (needed if hard == resource.RLIM_INFINITY else min(needed, hard), hard)
        )


def _serve(app: ASGIApp, settings: CommonSettings, *, ws: Literal["none", "websockets-sansio"] = "none") -> None:
    # Loaded modules stay: examining them at every collection would delay streams for tens of milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    _allow_files(settings.max_connections)
    uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=HttpProtocol,
            ws=ws,
            ws_max_size=MESSAGE_BYTES,
            # Speech does not become smaller, and each connection would need a compressor's memory.
            ws_per_message_deflate=False,
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
    # Without what uvicorn says of each WebSocket: its address, which may name a device.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "WebSocket" not in str(record.msg))
    _serve(create_voice_app(settings=settings), settings, ws="websockets-sansio")


def run_video(settings: VideoSettings) -> None:
    """Serve the video entry until SIGTERM or SIGINT."""
    configure_logging(level=settings.log_level, fmt=settings.log_format, entry="video")
    _serve(create_video_app(settings=settings), settings)
