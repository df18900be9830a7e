"""Samples as PCM."""

from __future__ import annotations

import numpy as np
import pytest

from cosyvoice_server.audio import to_pcm


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        (0.0, 0),
        (0.5, 16384),
        (-0.5, -16384),
        (1.0, 32767),
        (-1.0, -32768),
        (7.0, 32767),
        (-7.0, -32768),
        (float("nan"), 0),
        (float("inf"), 32767),
    ],
)
def test_samples_are_clipped(sample: float, expected: int) -> None:
    assert np.frombuffer(to_pcm(np.array([[sample]])), "<i2").tolist() == [expected]
