"""Whether the queue is paused because the disk is full; it goes on by itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import structlog

log = structlog.stdlib.get_logger(__name__)


class DiskPause:
    """Tells whether there is room for another video.

    Args:
        folder: the media folder.
        reserve: bytes that stay free.
    """

    def __init__(self, folder: Path, *, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve
        self._paused = False

    @property
    def active(self) -> bool:
        """True while there is too little room; says in the log when that changes."""
        free = shutil.disk_usage(self._folder).free
        paused = free < self._reserve
        if paused != self._paused:
            self._paused = paused
            (log.error if paused else log.info)("queue paused: disk full" if paused else "queue goes on", free=free)
        return paused
