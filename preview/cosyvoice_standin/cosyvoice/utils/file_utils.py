"""Reading a reference the way CosyVoice's own helper does: mono, resampled, with the same errors."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import soundfile  # type: ignore[import-untyped]

from ..tensor import Tensor

logging.basicConfig(level=logging.DEBUG, format="%(asctime)s %(levelname)s %(message)s")


def load_wav(wav: Any, target_sr: int, min_sr: int = 16000) -> Tensor:
    """A file's sound as a tensor of shape (1, samples) at `target_sr`.

    Raises soundfile's errors, and AssertionError for a rate below `min_sr`.
    """
    samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != target_sr:
        assert rate >= min_sr, f"wav sample rate {rate} must be greater than {target_sr}"  # noqa: S101
        mono = resample(mono, rate, target_sr)
    return Tensor(mono).unsqueeze(0)


def resample(samples: Any, rate: int, target: int) -> Any:
    """Linear interpolation: good enough for a stand-in's speech."""
    if rate == target or len(samples) == 0:
        return samples
    places = np.arange(int(len(samples) * target / rate)) * (rate / target)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
