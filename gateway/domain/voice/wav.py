"""WAV headers for 16-bit mono PCM."""

from __future__ import annotations

import struct

HEADER_BYTES = 44
SAMPLE_BYTES = 2
UNKNOWN_SIZE = 0xFFFFFFFF


def wav_header(*, sample_rate: int, data_bytes: int | None) -> bytes:
    """The 44 bytes before the samples.

    Args:
        sample_rate: Hz.
        data_bytes: length of the samples; None while it is not known yet (a stream), then sizes are 0xFFFFFFFF.
    """
    data = UNKNOWN_SIZE if data_bytes is None else data_bytes
    riff = UNKNOWN_SIZE if data_bytes is None else data_bytes + HEADER_BYTES - 8
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        riff,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        sample_rate,
        sample_rate * SAMPLE_BYTES,
        SAMPLE_BYTES,
        8 * SAMPLE_BYTES,
        b"data",
        data,
    )


def rate_in(header: bytes) -> int:
    """The sample rate in Hz that one of our own headers names."""
    return int.from_bytes(header[24:28], "little")
