# SPDX-License-Identifier: Apache-2.0
"""The facts in the headers of a WAV or an MP4 file, read with the standard library alone (Python 3.8).

Enough to distinguish a playable result from an empty or cut one on a host that has no media tools.
"""

from __future__ import annotations

import array
import io
import struct
import sys
import wave
from dataclasses import dataclass
from typing import Iterator, Tuple


class NotMediaError(ValueError):
    """The bytes are not such media; the message says why."""


@dataclass(frozen=True)
class Speech:
    """A WAV file: length in seconds, sample rate in Hz, peak as a part of full scale (0 to 1)."""

    seconds: float
    sample_rate: int
    peak: float


@dataclass(frozen=True)
class Movie:
    """An MP4 file: length in seconds and the number of tracks."""

    seconds: float
    tracks: int


def read_wav(content: bytes) -> Speech:
    """Read 16-bit PCM WAV; raises NotMediaError for anything else and for a file without samples."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            if file.getsampwidth() != 2:
                raise NotMediaError("the WAV has %d-bit samples instead of 16" % (8 * file.getsampwidth()))
            samples = array.array("h", file.readframes(file.getnframes()))
            rate, channels = file.getframerate(), file.getnchannels()
    except (wave.Error, EOFError, ValueError, RuntimeError, struct.error) as error:
        raise NotMediaError("no readable WAV: %s" % error) from error
    if not rate or not channels:
        raise NotMediaError("the WAV has no sample rate or no channel")
    if not samples:
        raise NotMediaError("the WAV has no samples")
    if sys.byteorder == "big":
        samples.byteswap()
    loudest, lowest = max(samples), min(samples)
    peak = max(loudest, -lowest) / 32768
    return Speech(len(samples) / channels / rate, rate, peak)


def read_mp4(content: bytes) -> Movie:
    """Read the movie header of an MP4 (ISO 14496-12); raises NotMediaError where there is none or no track."""
    boxes = dict(_boxes(content, 0, len(content)))
    if b"ftyp" not in boxes or b"moov" not in boxes:
        raise NotMediaError("no MP4: it has no %s" % ("movie header" if b"ftyp" in boxes else "file type"))
    if b"mdat" not in boxes:
        raise NotMediaError("the MP4 is cut: its header is there, its pictures and sound are not")
    start, end = boxes[b"moov"]
    inner = list(_boxes(content, start, end))
    tracks = sum(1 for kind, _ in inner if kind == b"trak")
    header = dict(inner).get(b"mvhd")
    if header is None or not tracks:
        raise NotMediaError("the MP4 has no track")
    return Movie(_duration(content[header[0] : header[1]]), tracks)


def _boxes(content: bytes, start: int, end: int) -> Iterator[Tuple[bytes, Tuple[int, int]]]:
    """Yield (kind, (start, end) of the payload) of each box between two offsets."""
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", content, start)
        head = 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", content, start + 8)
            head = 16
        elif size == 0:
            size = end - start
        if size < head or start + size > end:
            raise NotMediaError("the MP4 is cut: box %r goes past the end" % kind.decode("latin-1"))
        yield kind, (start + head, start + size)
        start += size


def _duration(header: bytes) -> float:
    layout, offset = (">IQ", 20) if header[:1] == b"\x01" else (">II", 12)
    try:
        scale, length = struct.unpack_from(layout, header, offset)
    except struct.error as error:
        raise NotMediaError("the MP4's movie header is cut") from error
    if not scale:
        raise NotMediaError("the MP4's movie header has no time scale")
    return float(length) / float(scale)
