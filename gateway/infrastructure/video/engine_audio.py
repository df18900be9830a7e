"""Converts the sound of a file to the Duix engine's format."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Final

from gateway.domain.video.media import SAMPLE_RATE, WAV_HEADER_BYTES, ConversionError
from gateway.infrastructure.files import discard, temporary_path
from gateway.infrastructure.sandbox import READ_SAFELY, Bounds, Sandbox
from gateway.infrastructure.silk import decode_silk
from gateway.infrastructure.sound import ChosenSound, SoundChooser
from gateway.infrastructure.video.written import require_written

MEMORY_BYTES: Final = 1 << 30
# Half a second of sound: less of a damaged file is not worth a video.
USABLE_BYTES: Final = WAV_HEADER_BYTES + SAMPLE_RATE


class EngineAudio:
    """Writes 16 kHz mono s16 WAV.

    Args:
        conversions: runs the decoders.
        sounds: chooses track and channels.
    """

    def __init__(self, *, conversions: Sandbox, sounds: SoundChooser) -> None:
        self._conversions = conversions
        self._sounds = sounds

    async def write(
        self, source: Path, target: Path, *, max_seconds: float, file_bytes: int, limit_seconds: float
    ) -> float:
        """See ``MediaTools.to_engine_audio``.

        A file without an index, or with nothing but a header, decodes to nothing and exit status 0: the length that
        was written counts. A damaged file counts up to the damage.
        """
        bounds = Bounds(limit_seconds, math.ceil(limit_seconds), MEMORY_BYTES, file_bytes)
        seconds = max_seconds + 1
        message = temporary_path(target.parent)
        try:
            if await decode_silk(self._conversions, source, message, seconds=seconds, bounds=bounds):
                source = message
            chosen = await self._sounds.choose(source, target.parent)
            if chosen is None:
                raise ConversionError("no track of sound")
            command = _command(source, chosen, target, seconds)
            done = await self._conversions.run(command, folder=target.parent, bounds=bounds)
        finally:
            discard(message)
        require_written(done, target, usable_bytes=USABLE_BYTES)
        size = (await asyncio.to_thread(target.stat)).st_size
        return max(0, size - WAV_HEADER_BYTES) / (SAMPLE_RATE * 2)


def _command(source: Path, chosen: ChosenSound, target: Path, seconds: float) -> list[str]:
    return [
        *("ffmpeg", "-nostdin", "-v", "error", *READ_SAFELY, "-i", str(source), "-t", f"{seconds:.3f}"),
        *("-map", f"0:{chosen.stream}", "-vn", "-sn", "-dn", "-map_metadata", "-1"),
        *("-af", f"{chosen.filter},aresample={SAMPLE_RATE}:resampler=soxr", "-c:a", "pcm_s16le"),
        *("-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav", "-y", str(target)),
    ]
