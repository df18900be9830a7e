"""Checking and decoding of reference audio."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, List

import numpy as np
import soundfile  # type: ignore[import-untyped]

from .audio import to_pcm, write_wav
from .errors import EngineError
from .settings import Settings

# The lowest rate that CosyVoice's frontend accepts (an assertion in its `load_wav`).
PROMPT_MIN_RATE = 16000
PROMPT_MAX_RATE = 192000
PROMPT_MAX_CHANNELS = 8
WAV_HEADER_BYTES = 44


@dataclasses.dataclass(frozen=True)
class Reference:
    """A checked reference: a mono 16-bit WAV."""

    path: Path
    duration: float  # seconds
    sample_rate: int  # Hz


def prepare_reference(upload: Path, target: Path, settings: Settings) -> Reference:
    """Decode an upload and write it to `target` as mono 16-bit WAV at the upload's own rate.

    At most one second more than the longest reference is decoded, whatever the file's header claims.
    Raises EngineError 422.
    """
    if upload.stat().st_size == 0:
        raise EngineError(422, "prompt_not_audio", "The reference audio is empty.")
    try:
        with soundfile.SoundFile(str(upload)) as source:
            rate = source.samplerate
            check_layout(rate, source.channels)
            samples = None if is_plain(source, upload) else read_mono(source, settings)
            duration = (source.frames if samples is None else len(samples)) / rate
    except (RuntimeError, TypeError) as error:  # soundfile.LibsndfileError is a RuntimeError
        raise EngineError(
            422, "prompt_not_audio", "The reference is not audio that can be read: WAV, FLAC, OGG or MP3 is needed."
        ) from error
    check_duration(duration, settings)
    if samples is None:
        upload.replace(target)
    else:
        write_wav(target, to_pcm(samples), rate)
    return Reference(target, duration, rate)


def is_plain(source: Any, upload: Path) -> bool:
    """Whether an upload is byte for byte what `write_wav` would write, as it is when our gateway sends it."""
    size = upload.stat().st_size - WAV_HEADER_BYTES
    plain = source.format == "WAV" and source.subtype == "PCM_16" and source.channels == 1
    if not plain or size != 2 * int(source.frames):
        return False
    with upload.open("rb") as file:
        head = file.read(WAV_HEADER_BYTES)
    whole, samples = (int.from_bytes(head[start : start + 4], "little") for start in (4, 40))
    return (whole, samples, head[36:40]) == (size + WAV_HEADER_BYTES - 8, size, b"data")


def check_duration(seconds: float, settings: Settings) -> None:
    if seconds > settings.prompt_max_seconds:
        raise EngineError(
            422,
            "prompt_too_long",
            "The reference audio is longer than {:g} seconds.".format(settings.prompt_max_seconds),
        )
    if seconds < settings.prompt_min_seconds:
        raise EngineError(
            422,
            "prompt_too_short",
            "The reference has {:.2f} s of audio; at least {:g} s are needed.".format(
                seconds, settings.prompt_min_seconds
            ),
        )


def check_layout(rate: int, channels: int) -> None:
    if rate < PROMPT_MIN_RATE:
        raise EngineError(
            422,
            "prompt_rate_too_low",
            "The reference has {} Hz; {} Hz or more are needed.".format(rate, PROMPT_MIN_RATE),
        )
    if rate > PROMPT_MAX_RATE or channels > PROMPT_MAX_CHANNELS:
        raise EngineError(
            422,
            "prompt_not_audio",
            "The reference has {} channels at {} Hz, more than a recording of a voice has.".format(channels, rate),
        )


def read_mono(source: Any, settings: Settings) -> Any:
    """A file's samples, mixed down to one float32 array, up to at most one second past the longest reference."""
    parts: List[Any] = []
    frames = 0
    for block in source.blocks(blocksize=source.samplerate, dtype="float32", always_2d=True):
        parts.append(block.mean(axis=1))
        frames += len(block)
        if frames > settings.prompt_max_seconds * source.samplerate:
            break
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)
