"""Conversion between samples, PCM and WAV."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np


def to_pcm(samples: Any) -> bytes:
    """Float samples of any shape, nominally -1 to 1, as little-endian int16; values beyond full scale are clipped."""
    scaled = np.asarray(samples, dtype=np.float32).reshape(-1) * np.float32(32768)
    if np.isnan(scaled).any():
        scaled = np.where(np.isnan(scaled), np.float32(0), scaled)
    return bytes(np.clip(scaled, -32768, 32767, out=scaled).astype("<i2").tobytes())


def write_wav(path: Path, pcm: bytes, rate: int) -> None:
    """Write mono 16-bit `pcm` of `rate` Hz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


def as_array(speech: Any) -> Any:
    """A tensor on any device, or an array, as numpy float32."""
    if hasattr(speech, "cpu"):
        speech = speech.cpu()
    if hasattr(speech, "numpy"):
        speech = speech.numpy()
    return np.asarray(speech, dtype=np.float32)
