"""A stand-in for tests: torchaudio's own Python without its compiled part."""

from __future__ import annotations

import pkgutil
from typing import Any

import soundfile
import torch

# The installed package's modules are found after those here.
__path__ = pkgutil.extend_path(__path__, __name__)

from torchaudio import compliance, functional, transforms

__all__ = ["compliance", "functional", "load", "transforms"]


def load(uri: Any, backend: str = "soundfile") -> tuple[torch.Tensor, int]:
    """Samples (channels, frames) as float32 from -1 to 1, and their rate in Hz."""
    samples, rate = soundfile.read(uri, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate
