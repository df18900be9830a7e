"""Inspects media files with ffprobe, and converts them with ffmpeg to the Duix engine's format."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.domain.file_kinds import is_mp4, is_silk, kind_of
from gateway.domain.sound import VoiceDetector
from gateway.domain.video.media import (
    ConversionError,
    MediaInfo,
    NotMediaError,
    Picture,
    Turn,
)
from gateway.infrastructure.files import head_of
from gateway.infrastructure.sandbox import MAX_STDOUT_BYTES, READ_SAFELY, Bounds, Sandbox
from gateway.infrastructure.sound import SoundChooser
from gateway.infrastructure.video.engine_audio import EngineAudio
from gateway.infrastructure.video.filters import picture_filters
from gateway.infrastructure.video.pictures import are_steady, describe, frame_turn
from gateway.infrastructure.video.written import require_alive, require_written

MIB = 2**20
GIB = 2**30
PROBE_BOUNDS = Bounds(wall_seconds=30, cpu_seconds=20, memory_bytes=2 * GIB, file_bytes=0)
SILK_MESSAGE = MediaInfo(container=frozenset({"silk"}), seconds=None, picture=None, has_sound=True)
# Besides videos, pictures that stand still or move a little.
READ_PICTURES = (*READ_SAFELY[:-1], f"{READ_SAFELY[-1]},gif,apng,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,mjpeg,dv,ivf")
COMMON_COLOURS = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Ffmpeg:
    """Runs the tools with limits.

    Args:
        conversions: runs ffmpeg.
        probes: runs ffprobe; separate, so that no inspection waits for a conversion.
        detector: tells which tracks and channels speak.
    """

    def __init__(
        self, *, conversions: Sandbox, probes: Sandbox, detector: Callable[[], VoiceDetector | None] = lambda: None
    ) -> None:
        self._conversions = conversions
        self._probes = probes
        sounds = SoundChooser(probes=probes, conversions=conversions, detector=detector)
        self._audio = EngineAudio(conversions=conversions, sounds=sounds)

    async def probe(self, path: Path) -> MediaInfo:
        """Inspect a file.

        Raises:
            NotMediaError: it is not a media file, or of a kind that is not opened.
            ToolKilledError: the system ended ffprobe.
        """
        found = await self._ffprobe(path, "-show_format", "-show_streams")
        if not found.get("streams"):
            head = await asyncio.to_thread(head_of, path)
            if is_silk(head):
                return SILK_MESSAGE
            said = str(found.get("error", ""))
            raise NotMediaError(said, kind=kind_of(head) or "", incomplete=is_mp4(head))
        info = describe(found)
        if info.picture is not None and info.picture.still:
            first = await self._ffprobe(path, "-show_frames", "-read_intervals", "%+#1", "-select_streams", "V")
            return _turned_as_frame_says(info, first)
        return info

    async def _ffprobe(self, path: Path, *show: str) -> Mapping[str, Any]:
        """What ffprobe says; nothing but an `error` where it is not JSON."""
        command = ["ffprobe", "-v", "error", *READ_PICTURES, *show, "-of", "json", "-i", str(path)]
        done = await self._probes.run(command, folder=path.parent, bounds=PROBE_BOUNDS)
        require_alive(done)
        try:
            found: Mapping[str, Any] = json.loads(done.stdout) if done.ok else {"error": done.stderr[-200:]}
        except ValueError:
            return {"error": "not JSON"}
        return found

    async def has_steady_frames(self, path: Path, picture: Picture) -> bool:
        """Whether every frame is shown equally long and none is cut off by an edit list; reads the whole file."""
        command = [
            *("ffprobe", "-v", "error", *READ_PICTURES, "-select_streams", str(picture.index)),
            *("-show_entries", "packet=duration,flags", "-of", "csv=p=0", "-i", str(path)),
        ]
        done = await self._probes.run(command, folder=path.parent, bounds=PROBE_BOUNDS)
        require_alive(done)
        whole = done.ok and len(done.stdout) < MAX_STDOUT_BYTES
        return whole and are_steady(done.stdout.decode("ascii", "replace").split())

    async def to_engine_audio(
        self, source: Path, target: Path, *, max_seconds: float, file_bytes: int, limit_seconds: float
    ) -> float:
        """Write the sound that counts as 16 kHz mono s16 WAV; returns its length in seconds.

        Args:
            max_seconds: longer sound is cut a second later.
            file_bytes: maximum number of bytes to write.

        Raises:
            ConversionError: it can't be decoded in time.
            OutOfSpaceError: the sound does not fit.
            ToolKilledError: the system ended ffmpeg.
        """
        return await self._audio.write(
            source, target, max_seconds=max_seconds, file_bytes=file_bytes, limit_seconds=limit_seconds
        )

    async def to_engine_video(
        self,
        source: Path,
        target: Path,
        *,
        info: MediaInfo,
        seconds: float,
        file_bytes: int,
        limit_seconds: float,
    ) -> None:
        """Re-encode the picture to what all engines take, without sound; see ``engine_can_take``.

        Args:
            info: what `probe` returned for the source.
            seconds: required length; the engine uses no more than the audio's.
            file_bytes: maximum number of bytes to write.

        Raises:
            ConversionError: ffmpeg can't decode it in time.
            OutOfSpaceError: the picture does not fit.
            ToolKilledError: the system ended ffmpeg.
        """
        picture = info.picture
        if picture is None:
            raise ConversionError("no picture")
        decoder = ("-c:v", ALPHA_DECODERS[picture.codec]) if picture.reads_hidden_alpha else ()
        upright = ("-noautorotate",) if picture.turned_by_us else ()
        command = [
            *("ffmpeg", "-nostdin", "-v", "error", *READ_PICTURES, *decoder, *upright, "-i", str(source)),
            *("-t", f"{seconds:.3f}", "-map", f"0:{picture.index}", "-an", "-sn", "-dn"),
            *("-map_metadata", "-1", "-map_chapters", "-1", "-vf", picture_filters(picture)),
            *("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", *COMMON_COLOURS),
            *("-movflags", "+faststart", "-f", "mp4", "-y", str(target)),
        ]
        bounds = Bounds(limit_seconds, math.ceil(limit_seconds) * 8, 8 * GIB, file_bytes)
        require_written(await self._conversions.run(command, folder=target.parent, bounds=bounds), target)


def _turned_as_frame_says(info: MediaInfo, first: Mapping[str, Any]) -> MediaInfo:
    picture, turn = info.picture, frame_turn(first.get("frames", []))
    if picture is None or turn in (Turn.NONE, Turn.ODD):
        return info
    return replace(info, picture=replace(picture, turn=turn, turned_by_us=True))
