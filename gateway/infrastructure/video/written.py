"""What the end of a tool says about the file that it was to write."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

from gateway.domain.video.media import ConversionError, OutOfSpaceError, ToolKilledError
from gateway.infrastructure.sandbox import Completed

FULL_WORDS: Final = ("No space left on device", "Disk quota exceeded", "File too large")


def require_alive(done: Completed) -> None:
    """Raise where the end of a tool says nothing about its file.

    Raises:
        ToolKilledError: the system ended it.
    """
    if done.killed:
        raise ToolKilledError


def require_written(done: Completed, target: Path, *, usable_bytes: int | None = None) -> None:
    """Raise unless a tool has written its file.

    Args:
        usable_bytes: from this size on, the beginning of a file counts that could not be written to its end; without
            it, only a whole file counts.

    Raises:
        ConversionError: the tool failed, or took too long.
        OutOfSpaceError: the file does not fit.
        ToolKilledError: the system ended the tool.
    """
    written = target.stat().st_size if target.is_file() else None
    if done.ok and written is not None:
        return
    require_alive(done)
    if done.status == -signal.SIGXFSZ or any(words in done.stderr for words in FULL_WORDS):
        raise OutOfSpaceError(written or 0)
    gave_up = done.status > 0 and not done.timed_out
    if gave_up and written is not None and usable_bytes is not None and written >= usable_bytes:
        return
    raise ConversionError("timed out" if done.timed_out else done.stderr[-300:])
