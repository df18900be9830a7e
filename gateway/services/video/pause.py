"""Whether the disk has room for the next step, and whether the queue is paused for want of it; it goes on by itself."""

from __future__ import annotations

from pathlib import Path
from shutil import disk_usage

import structlog

from gateway.infrastructure.media_folder import Inputs, stored_file

log = structlog.stdlib.get_logger(__name__)

# A rough upper bound: the engine keeps the formatted picture, the rendered one and the result at once.
COPIES = 3
PICTURE_BYTES_PER_SECOND = 2**20


def bytes_needed(inputs: Inputs, *, audio_seconds: float) -> int:
    """How much an engine may write while it makes a video of prepared inputs."""
    video = stored_file(inputs.video)
    return engine_bytes(video.size if video else 0, audio_seconds=audio_seconds)


def engine_bytes(video: int, *, audio_seconds: float) -> int:
    """How much an engine may write while it makes a video of a clip of so many bytes."""
    return COPIES * (video + int(audio_seconds * PICTURE_BYTES_PER_SECOND))


class DiskPause:
    """Tells whether there is room.

    Args:
        folder: the media folder.
        reserve: bytes that stay free.
    """

    def __init__(self, folder: Path, *, reserve: int) -> None:
        self._folder = folder
        self._reserve = reserve
        self._paused = False
        self._missed: dict[str, int] = {}

    @property
    def room(self) -> int:
        """Bytes that may be written now."""
        return max(0, disk_usage(self._folder).free - self._reserve)

    def fits(self, needed: int) -> bool:
        """Whether so many bytes may be written now."""
        return needed <= disk_usage(self._folder).free - self._reserve

    def could_fit(self, needed: int) -> bool:
        """Whether the disk could hold so many bytes if it were empty."""
        return needed <= disk_usage(self._folder).total - self._reserve

    def miss(self, step: str, needed: int) -> None:
        """Note how many bytes a step of the queue can't go on without; 0: it does not wait for room."""
        self._missed[step] = needed

    @property
    def active(self) -> bool:
        """True while there is too little room; says in the log when that changes."""
        needed = max(self._missed.values(), default=0)
        paused = not self.fits(needed)
        if paused != self._paused:
            self._paused = paused
            (log.error if paused else log.info)(
                "queue paused: disk full" if paused else "queue goes on", room=self.room, needed=needed
            )
        return paused
