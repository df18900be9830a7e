"""The command line."""

from __future__ import annotations

import argparse
import logging
import os
import signal
from pathlib import Path
from typing import Any, List, Optional

import uvicorn

from . import log
from .loader import Loader
from .routes import create_app
from .scratch import remove_leftovers
from .settings import Settings
from .voices import VoiceStore


def main() -> None:
    """Serve, and end the process with the exit code.

    A model's threads can't be interrupted; an ordinary exit would wait for as long as they compute.
    """
    code = serve()
    logging.shutdown()
    os._exit(code)


def serve(argv: Optional[List[str]] = None) -> int:
    """Serve until a signal or a failed load ends it; returns the exit code."""
    settings = read_settings(argv)
    log.configure()
    remove_leftovers()
    voices = VoiceStore(Path(settings.voices_dir), settings.voices_max, settings.voices_in_memory)
    loader = Loader(settings)
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings, loader, voices),
            host=settings.host,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=settings.shutdown_seconds,
        )
    )

    def stop_server(*_: Any) -> None:
        server.should_exit = True

    loader.stop_server = stop_server
    # Uvicorn handles the signal while it runs and raises it again afterwards, which would hide our exit code.
    signal.signal(signal.SIGTERM, stop_server)
    server.run()
    return loader.exit_code


def read_settings(argv: Optional[List[str]]) -> Settings:
    """Settings from the environment and the command line; ends the process with a usage message for a bad one."""
    parser = argparse.ArgumentParser(description="CosyVoice's HTTP server; further settings: COSYVOICE_* variables.")
    parser.add_argument("--host", default=None)
    parser.add_argument("--port", type=int, default=None)
    parser.add_argument("--model_dir", default=None, help="local path or ModelScope id")
    arguments = parser.parse_args(argv)
    try:
        return Settings.from_environment(
            os.environ, host=arguments.host, port=arguments.port, model=arguments.model_dir
        )
    except ValueError as error:
        parser.error(str(error))
