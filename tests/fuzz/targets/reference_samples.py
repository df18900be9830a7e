"""A recording's decoded samples, whatever floats they are: a reference within its bounds, or a refusal with a code."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from gateway.domain.errors import GatewayError
from gateway.domain.voice.reference import normalise

RATES = (16000, 24000)
LONGEST_SECONDS = 0.5


def one_input(data: bytes) -> None:
    """The first byte chooses rate, channels and kind of number; the rest are samples, repeated."""
    if len(data) < 8:
        return
    choice, body = data[0], data[1:]
    if choice & 4:
        samples = np.frombuffer(body[: len(body) // 4 * 4], dtype="<f4")
    else:
        samples = np.frombuffer(body[: len(body) // 2 * 2], dtype="<i2").astype(np.float32) / np.float32(32768)
    samples = np.resize(samples, 16000).astype(np.float32)
    channels = samples.reshape(-1, 1 + (choice & 1))
    rate = RATES[choice >> 1 & 1]
    with np.errstate(all="ignore"):
        try:
            made, report = normalise(channels, rate, longest_seconds=LONGEST_SECONDS, least_speech_seconds=0.05)
        except GatewayError as error:
            assert error.code.startswith("reference_")
            return
    assert made.dtype == np.int16
    assert 0 < len(made) <= math.ceil(LONGEST_SECONDS * rate)
    assert all(math.isfinite(value) for value in _figures(asdict(report)))


def _figures(report: dict[str, Any]) -> Iterator[float]:
    for value in report.values():
        if isinstance(value, dict):
            yield from _figures(value)
        elif isinstance(value, (int, float)):
            yield value
