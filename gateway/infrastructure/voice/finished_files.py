"""The first bytes of encoded speech: as a stream needs them, and once more when length and gaps are known.

A stream can't know its length. So its head has room for it, and the finished file gets another head of the same size,
written over the first: the sound behind it is never copied.

Why by hand: ffmpeg writes these heads only into a file that it can seek in, and listeners hear its output from a pipe
while it is made; into a pipe it writes no Info frame at all. Mutagen edits tags around the sound, not the Info frame.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

from gateway.domain.voice.speech import AudioFormat
from gateway.domain.voice.wav import SAMPLE_BYTES

# LAME's encoder delay; decoders leave out 529 samples more, which they add themselves.
ENCODER_DELAY: Final = 576
LARGEST_PADDING: Final = 0xFFF
MPEG1: Final = 3
MPEG1_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
LSF_KBITS: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG1_RATES: Final = (44100, 48000, 32000)
# Length of the tag's part that its own checksum covers.
TAG_BYTES: Final = 190
FLAC_HEAD: Final = 42


class Head:
    """Watches an encoder's input and output. This one is for formats whose streams are whole files."""

    def samples(self, pcm: bytes) -> None:
        """Note what the encoder gets."""

    def encoded(self, piece: bytes) -> bytes:
        """Note what it made; returns what is to be sent for it."""
        return piece

    def finished(self) -> bytes | None:
        """The first bytes of the whole file, in place of as many that were sent; None: they are right."""
        return None


class FlacHead(Head):
    """Puts the number of samples, and their digest, into STREAMINFO."""

    def __init__(self) -> None:
        self._count = 0
        self._digest = hashlib.md5(usedforsecurity=False)
        self._head = b""

    def samples(self, pcm: bytes) -> None:
        """Count and digest."""
        self._count += len(pcm)
        self._digest.update(pcm)

    def encoded(self, piece: bytes) -> bytes:
        """Keep the beginning."""
        self._head += piece[: FLAC_HEAD - len(self._head)]
        return piece

    def finished(self) -> bytes | None:
        """The marker and STREAMINFO."""
        if len(self._head) < FLAC_HEAD or self._head[:5] != b"fLaC\0":
            return None
        described = int.from_bytes(self._head[18:26], "big") >> 36 << 36
        total = min(self._count // SAMPLE_BYTES, (1 << 36) - 1)
        return self._head[:18] + (described | total).to_bytes(8, "big") + self._digest.digest()


class Mp3Head(Head):
    """Puts a frame with LAME's tag before the first one: it says how many samples to leave out at both ends."""

    def __init__(self) -> None:
        self._bytes = 0
        self._rest = b""
        self._frames = 0
        self._size = 0
        self._header = b""
        self._started = False

    def samples(self, pcm: bytes) -> None:
        """Count."""
        self._bytes += len(pcm)

    def encoded(self, piece: bytes) -> bytes:
        """Count the frames; the first one gets the tag's frame before it."""
        self._size += len(piece)
        if self._started:
            self._count(piece)
            return piece
        piece = self._rest + piece
        if len(piece) < 4:
            self._rest = piece
            return b""
        self._started, self._rest = True, b""
        self._count(piece)
        if frame_bytes(piece[:4]) == 0:
            return piece
        # Without its padding byte, which the tag's frame has no use for.
        self._header = bytes((piece[0], piece[1], piece[2] & ~2, piece[3]))
        return self._tag(None) + piece

    def _count(self, piece: bytes) -> None:
        data = self._rest + piece
        at = 0
        while at + 4 <= len(data):
            size = frame_bytes(data[at : at + 4])
            if size == 0 or at + size > len(data):
                break
            self._frames += 1
            at += size
        self._rest = data[at:]

    def finished(self) -> bytes | None:
        """The tag's frame, complete."""
        return self._tag(self._bytes // SAMPLE_BYTES) if self._header else None

    def _tag(self, samples: int | None) -> bytes:
        """The frame with the tag; without a number of samples, as for a stream, it names only the encoder's delay."""
        lsf = self._header[1] >> 3 & 3 != MPEG1
        start = 4 + (9 if lsf else 17)
        size = frame_bytes(self._header)
        if samples is None:
            lengths, padding, total = struct.pack(">I", 0), 0, 0
        else:
            total = self._size + size
            table = bytes(number * 256 // 100 for number in range(100))
            lengths = struct.pack(">III", 0b111, self._frames, total) + table
            padding = self._frames * (576 if lsf else 1152) - samples - ENCODER_DELAY
        gaps = ENCODER_DELAY << 12 | max(0, min(LARGEST_PADDING, padding))
        encoder = b"LAME3.100" + bytes(12) + gaps.to_bytes(3, "big") + bytes(4) + struct.pack(">IH", total, 0)
        tag = (self._header + bytes(start - 4) + b"Info" + lengths + encoder).ljust(TAG_BYTES, b"\0")
        checked = start + 4 + len(lengths) + len(encoder)
        tag = tag[:checked] + _checksum(tag[:checked]).to_bytes(2, "big") + tag[checked + 2 :]
        return tag[:size].ljust(size, b"\0")


def frame_bytes(header: bytes) -> int:
    """The size of the MP3 frame with this header; 0 if it is none."""
    if header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return 0
    is_mpeg1 = header[1] >> 3 & 3 == MPEG1
    bits, rate = header[2] >> 4, header[2] >> 2 & 3
    if bits in (0, 15) or rate == 3:
        return 0
    halvings = 0 if is_mpeg1 else 1 if header[1] >> 3 & 3 == 2 else 2
    kbits = (MPEG1_KBITS if is_mpeg1 else LSF_KBITS)[bits]
    return (144 if is_mpeg1 else 72) * kbits * 1000 // (MPEG1_RATES[rate] >> halvings) + (header[2] >> 1 & 1)


def _checksum(data: bytes) -> int:
    """CRC-16 as LAME has it."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


def head_of_format(audio_format: AudioFormat) -> Head:
    """What a format's files need."""
    if audio_format is AudioFormat.FLAC:
        return FlacHead()
    return Mp3Head() if audio_format is AudioFormat.MP3 else Head()
