"""What a media file holds, by ffprobe, and its conversion to what the Duix engine takes, by ffmpeg."""

from __future__ import annotations

import asyncio
import json
import math
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gateway.infrastructure.sandbox import READ_SAFELY, Bounds, Completed, Sandbox

MIB = 2**20
GIB = 2**30
SAMPLE_RATE = 16_000
PROBE_BOUNDS = Bounds(wall_seconds=30, cpu_seconds=20, memory_bytes=2 * GIB, file_bytes=0)
MAX_FRAME_RATE = 60
# Above this much difference between the two rates that ffprobe gives, the frame rate is not constant.
FRAME_RATE_TOLERANCE = 0.02
MAX_SIDE = 4096  # H.264 decoders on GPUs go no further
EVEN_AND_BOUNDED = (
    f"scale=w='min(iw,{MAX_SIDE})':h='min(ih,{MAX_SIDE})':force_original_aspect_ratio=decrease:force_divisible_by=2"
)
MIXES = ("aformat=channel_layouts=mono", "pan=mono|c0=c0")
REENCODED_GROWTH = 2  # H.264 of this quality against HEVC
SILENT_PEAK = 33  # of 32767: -60 dB
LEVEL_BLOCK = 1 << 20
WAV_HEADER_BYTES = 44
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "File too large")


class NotMediaError(Exception):
    """ffprobe finds nothing in the file that it may open."""


class OutOfRoomError(Exception):
    """What ffmpeg would write is over its bound, or over what the disk holds; `written` bytes were."""

    def __init__(self, written: int) -> None:
        super().__init__(f"after {written} bytes")
        self.written = written


class ConversionError(Exception):
    """ffmpeg failed or took too long; the text is the end of what it said."""


@dataclass(frozen=True)
class Picture:
    """The first real picture stream; sizes in pixels, rate in frames per second.

    Attributes:
        codec, pixel_format: ffmpeg's names.
        rate: average frame rate; None where unknown.
        constant_rate: every frame is shown equally long, as far as the header tells.
        rotated: the player is told to turn the picture.
    """

    codec: str
    pixel_format: str
    width: int
    height: int
    rate: Fraction | None
    constant_rate: bool
    rotated: bool


@dataclass(frozen=True)
class MediaInfo:
    """What a file holds; `seconds` is None where the header does not tell."""

    container: frozenset[str]
    seconds: float | None
    picture: Picture | None
    has_sound: bool


async def probe(sandbox: Sandbox, path: Path) -> MediaInfo:
    """Look into a file.

    Raises:
        NotMediaError: it is no media file, or one of a kind that is not opened.
    """
    command = ["ffprobe", "-v", "error", *READ_SAFELY, "-show_format", "-show_streams", "-of", "json", "-i", str(path)]
    done = await sandbox.run(command, folder=path.parent, bounds=PROBE_BOUNDS)
    try:
        found = json.loads(done.stdout) if done.ok else {}
    except ValueError as error:
        raise NotMediaError from error
    if not found.get("streams"):
        raise NotMediaError(done.stderr[-200:])
    return _describe(found)


def _describe(found: Mapping[str, Any]) -> MediaInfo:
    header, streams = found.get("format", {}), found["streams"]
    pictures = [s for s in streams if s.get("codec_type") == "video" and not s["disposition"].get("attached_pic")]
    usable = [s for s in pictures if s.get("width") and s.get("height")]
    return MediaInfo(
        container=frozenset(str(header.get("format_name", "")).split(",")),
        seconds=_seconds(header.get("duration")),
        picture=_picture(usable[0]) if usable else None,
        has_sound=any(s.get("codec_type") == "audio" and s.get("codec_name") for s in streams),
    )


def _seconds(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _rate(text: object) -> Fraction | None:
    try:
        value = Fraction(str(text))
    except (ValueError, ZeroDivisionError):
        return None
    return value if value > 0 else None


def _picture(stream: Mapping[str, Any]) -> Picture:
    average, base = _rate(stream.get("avg_frame_rate")), _rate(stream.get("r_frame_rate"))
    constant = bool(average and base and abs(average - base) <= base * Fraction(FRAME_RATE_TOLERANCE))
    turns = [data.get("rotation") for data in stream.get("side_data_list", [])] + [stream.get("tags", {}).get("rotate")]
    return Picture(
        codec=str(stream.get("codec_name", "")),
        pixel_format=str(stream.get("pix_fmt", "")),
        width=int(stream["width"]),
        height=int(stream["height"]),
        rate=average or base,
        constant_rate=constant,
        rotated=any(turn not in (None, 0, "0") for turn in turns),
    )


def engine_can_take(info: MediaInfo) -> bool:
    """Whether the engine is known to read this picture: H.264 yuv420p mp4, constant rate, even size, not turned."""
    picture = info.picture
    return bool(
        picture
        and "mp4" in info.container
        and info.seconds
        and picture.codec == "h264"
        and picture.pixel_format == "yuv420p"
        and picture.constant_rate
        and not picture.rotated
        and max(picture.width, picture.height) <= MAX_SIDE
        and picture.width % 2 == picture.height % 2 == 0
    )


def audio_bytes(seconds: float) -> int:
    """Size of that much sound as the engine gets it."""
    return WAV_HEADER_BYTES + math.ceil(seconds * SAMPLE_RATE * 2)


def likely_video_bytes(info: MediaInfo, size: int, *, seconds: float) -> int:
    """About the size of that much of a clip as the engine gets it; re-encoded ones may come out larger or smaller.

    Args:
        size: bytes of the clip as it is.
    """
    if engine_can_take(info):
        return size
    needed = min(1.0, seconds / info.seconds) if info.seconds else 1.0
    return math.ceil(REENCODED_GROWTH * size * needed)


async def to_engine_audio(
    sandbox: Sandbox, source: Path, target: Path, *, max_seconds: float, file_bytes: int, limit_seconds: float
) -> float:
    """Write the first sound stream as 16 kHz mono s16 WAV; returns its length in seconds.

    A file without an index, or with nothing but a header, decodes to nothing and exit status 0: the length that came
    out is what counts. Stereo of opposite phases mixes down to silence: then the first channel is taken.

    Args:
        max_seconds: what is longer is cut a second later.
        file_bytes: most bytes to write.

    Raises:
        ConversionError: ffmpeg can't decode it in time.
        OutOfRoomError: the sound does not fit.
    """
    for mix in MIXES:
        command = [
            *("ffmpeg", "-nostdin", "-v", "error", *READ_SAFELY, "-i", str(source), "-t", f"{max_seconds + 1:.3f}"),
            *("-map", "0:a:0", "-vn", "-sn", "-dn", "-map_metadata", "-1"),
            *("-af", f"{mix},aresample={SAMPLE_RATE}:resampler=soxr", "-c:a", "pcm_s16le", "-fflags", "+bitexact"),
            *("-flags:a", "+bitexact", "-f", "wav", "-y", str(target)),
        ]
        bounds = Bounds(limit_seconds, math.ceil(limit_seconds), 1 * GIB, file_bytes)
        _require(await sandbox.run(command, folder=target.parent, bounds=bounds), target)
        if await asyncio.to_thread(_is_audible, target):
            break
    return _wav_seconds(target)


def _is_audible(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(WAV_HEADER_BYTES)
        while block := file.read(LEVEL_BLOCK):
            samples = np.frombuffer(block[: len(block) // 2 * 2], dtype="<i2")
            if samples.size and np.abs(samples.astype(np.int32)).max() > SILENT_PEAK:
                return True
    return False


async def to_engine_video(
    sandbox: Sandbox,
    source: Path,
    target: Path,
    *,
    info: MediaInfo,
    seconds: float,
    file_bytes: int,
    limit_seconds: float,
) -> None:
    """Re-encode the picture to H.264 yuv420p of constant rate and even size, upright, without sound.

    Args:
        info: what `probe` said of the source.
        seconds: how much of it is needed; the engine shows no more than the audio is long.
        file_bytes: most bytes to write.

    Raises:
        ConversionError: ffmpeg can't decode it in time.
        OutOfRoomError: the picture does not fit.
    """
    rate = info.picture.rate if info.picture and info.picture.rate else Fraction(25)
    steady = min(MAX_FRAME_RATE, max(1, round(rate)))
    command = [
        *("ffmpeg", "-nostdin", "-v", "error", *READ_SAFELY, "-i", str(source), "-t", f"{seconds:.3f}"),
        *("-map", "0:V:0", "-an", "-sn", "-dn", "-map_metadata", "-1", "-map_chapters", "-1"),
        *("-vf", f"fps={steady},{EVEN_AND_BOUNDED},setsar=1", "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-movflags", "+faststart", "-f", "mp4"),
        *("-y", str(target)),
    ]
    bounds = Bounds(limit_seconds, math.ceil(limit_seconds) * 8, 8 * GIB, file_bytes)
    _require(await sandbox.run(command, folder=target.parent, bounds=bounds), target)


def _wav_seconds(path: Path) -> float:
    return max(0, path.stat().st_size - WAV_HEADER_BYTES) / (SAMPLE_RATE * 2)


def _require(done: Completed, target: Path) -> None:
    if done.ok and target.is_file():
        return
    if done.status == -signal.SIGXFSZ or any(words in done.stderr for words in FULL_WORDS):
        raise OutOfRoomError(target.stat().st_size if target.is_file() else 0)
    raise ConversionError("timed out" if done.timed_out else done.stderr[-300:])
