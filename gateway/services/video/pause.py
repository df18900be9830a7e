"""Whether the queue is paused because the disk is too full; it goes on by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog

from gateway.infrastructure.media_folder import Inputs, stored_file

log = structlog.stdlib.get_logger(__name__)

# A rough upper bound: the engine keeps the formatted picture, the rendered one and the result at once.
COPIES = 3
PICTURE_BYTES_PER_SECOND = 2**20


def bytes_needed(inputs: Inputs, *, audio_seconds: float) -> int:
    """How much an engine may write while it makes a video of prepared inputs."""
    video = stored_file(inputs.video)
    return COPIES * ((video.size if video else 0) + int(audio_seconds * PICTURE_BYTES_PER_SECOND))


class DiskPause:
    """Tells whether there is room for the next video.

    Args:
        folder: the media folder.
        reserve: bytes that stay free.
    """

    def __init__(self, folder: Path, *, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve
        self._paused = False
        self.next_task_bytes = 0

    @property
    def active(self) -> bool:
        """True while there is too little room; says in the log when that changes."""
        free = shutil.disk_usage(self._folder).free
        paused = free < self._reserve + self.next_task_bytes
        if paused != self._paused:
            self._paused = paused
            (log.error if paused else log.info)(
                "queue paused: disk full" if paused else "queue goes on", free=free, needed=self.next_task_bytes
            )
        return paused
