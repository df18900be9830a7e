"""Whether the disk has space for the next step, and whether the queue is paused until it has."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from gateway.domain.video.ports import DiskSpace

log = structlog.stdlib.get_logger(__name__)

# A rough upper bound: the engine keeps the formatted picture, the rendered one and the result at once.
COPIES = 3
PICTURE_BYTES_PER_SECOND = 2**20


def engine_bytes(video: int, *, audio_seconds: float) -> int:
    """Number of bytes that an engine may write while it makes a video of a clip of `video` bytes."""
    return COPIES * (video + int(audio_seconds * PICTURE_BYTES_PER_SECOND))


class DiskPause:
    """Knows whether there is space.

    Args:
        space: of the media's disk, now.
        reserve: bytes that stay free.
    """

    def __init__(self, space: Callable[[], DiskSpace], *, reserve: int) -> None:
        self._space = space
        self._reserve = reserve
        self._paused = False
        self._missed: dict[str, int] = {}

    @property
    def space(self) -> int:
        """Bytes that may be written now."""
        return max(0, self._space().free - self._reserve)

    def fits(self, needed: int) -> bool:
        """Whether this number of bytes may be written now."""
        return needed <= self._space().free - self._reserve

    def could_fit(self, needed: int) -> bool:
        """Whether the disk could hold this number of bytes if it were empty."""
        return needed <= self._space().total - self._reserve

    def miss(self, step: str, needed: int) -> None:
        """Record the number of bytes that a step of the queue needs to continue; 0: it does not wait for space."""
        self._missed[step] = needed

    @property
    def active(self) -> bool:
        """True while there is too little space; logs when that changes."""
        needed = max(self._missed.values(), default=0)
        paused = not self.fits(needed)
        if paused != self._paused:
            self._paused = paused
            (log.error if paused else log.info)(
                "queue paused: disk full" if paused else "queue continues", space=self.space, needed=needed
            )
        return paused
